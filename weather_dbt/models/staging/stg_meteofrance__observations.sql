with

current_versions as (

    select *
    from {{ source('meteofrance', 'observations') }}
    qualify row_number() over (partition by geo_id_insee, observed_at order by version desc) = 1

),

renamed as (

    select
        geo_id_insee as station_id,
        observed_at,
        {{ number('lat') }} as latitude,
        {{ number('lon') }} as longitude,
        {% for column, reading in readings().items() -%}
        {{ converted(reading.field, reading.unit) }} as {{ column }},
        {% endfor -%}
        {{ number('rr1') }} = -0.1 as is_trace,
        {{ findings_that_hold(unreadable_findings()) }} as unreadable,
        load_id,
        first_seen_at,
        version_seen_at,
        case when version > 1 then version_seen_at end as revised_at
    from current_versions

)

select * from renamed

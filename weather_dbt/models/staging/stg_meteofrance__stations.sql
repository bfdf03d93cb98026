with

versions as (

    select * from {{ ref('stg_meteofrance__station_versions') }}

),

current_versions as (

    select
        * exclude (version, version_seen_at),
        case when version > 1 then version_seen_at end as revised_at
    from versions
    qualify row_number() over (partition by station_id order by version desc) = 1

)

select * from current_versions

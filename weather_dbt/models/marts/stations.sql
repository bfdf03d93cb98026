{# A station is known from the list, from its observations, or from both. #}

with

listed as (

    select * from {{ ref('stg_meteofrance__stations') }}

),

observed as (

    select
        station_id,
        arg_max(latitude, observed_at) as latitude,
        arg_max(longitude, observed_at) as longitude,
        min(observed_at) as first_observed_at,
        max(observed_at) as last_observed_at,
        count(*) as observed_hours
    from {{ ref('stg_meteofrance__observations') }}
    group by station_id

),

departments as (

    select * from {{ source('raw', 'departments') }}

),

joined as (

    select
        station_id,
        listed.station_name,
        listed.wmo_id,
        {{ department_of('station_id') }} as department_code,
        coalesce(listed.latitude, observed.latitude) as latitude,
        coalesce(listed.longitude, observed.longitude) as longitude,
        listed.altitude_m,
        listed.opened_date,
        listed.pack,
        listed.station_id is not null as is_listed,
        observed.first_observed_at,
        observed.last_observed_at,
        coalesce(observed.observed_hours, 0) as observed_hours
    from listed
    full outer join observed using (station_id)

),

final as (

    select
        joined.station_id,
        joined.station_name,
        joined.wmo_id,
        joined.department_code,
        departments.name as department_name,
        departments.region as region_name,
        joined.latitude,
        joined.longitude,
        joined.altitude_m,
        joined.opened_date,
        joined.pack,
        joined.is_listed,
        joined.first_observed_at,
        joined.last_observed_at,
        joined.observed_hours
    from joined
    left join departments on joined.department_code = departments.code
    order by joined.station_id

)

select * from final

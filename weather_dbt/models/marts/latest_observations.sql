with

hourly_observations as (

    select * from {{ ref('hourly_observations') }}

),

stations as (

    select * from {{ ref('stations') }}

),

newest as (

    select *
    from hourly_observations
    qualify row_number() over (partition by station_id order by observed_at desc) = 1

),

final as (

    select
        newest.*,
        stations.latitude,
        stations.longitude,
        stations.altitude_m
    from newest
    inner join stations on newest.station_id = stations.station_id
    order by newest.station_id

)

select * from final

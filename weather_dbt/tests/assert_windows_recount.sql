-- 24-hour windows of a quarter of the stations, counted again without window functions: each hour is spread to the 24
-- hours that it counts for, and joined by equality, which stays linear over years.
with

sampled as (

    select *
    from {{ ref('hourly_observations') }}
    where {{ within_batch('observed_at') }} and hash(station_id) % 4 = 0

),

spread as (

    select
        sampled.station_id,
        sampled.observed_at + to_hours(cast(steps.step as integer)) as observed_at,
        sampled.precipitation_mm,
        sampled.temperature_max_c
    from sampled
    cross join range(24) as steps (step)

),

recounted as (

    select
        station_id,
        observed_at,
        count(precipitation_mm) as hours,
        round(sum(precipitation_mm), 2) as precipitation_mm,
        max(temperature_max_c) as temperature_max_c,
        count(temperature_max_c) as temperature_max_hours
    from spread
    where observed_at in (select affected.observed_at from {{ ref('int_affected_hours') }} as affected)
    group by station_id, observed_at

)

select
    recounted.*,
    sampled.precipitation_24h_mm,
    sampled.precipitation_24h_hours
from recounted
inner join sampled using (station_id, observed_at)
where
    recounted.hours <> sampled.precipitation_24h_hours
    or recounted.temperature_max_hours <> sampled.temperature_max_24h_hours
    or sampled.precipitation_24h_mm
    is distinct from case when recounted.hours = 24 then recounted.precipitation_mm end
    or sampled.temperature_max_24h_c
    is distinct from case when recounted.temperature_max_hours = 24 then recounted.temperature_max_c end

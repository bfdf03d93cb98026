-- Windows of every fiftieth station of the batch, counted again hour by hour without window functions.
with

sampled as (

    select *
    from {{ ref('hourly_observations') }}
    where {{ within_batch('observed_at') }} and cast(right(station_id, 3) as integer) % 50 = 1

),

recounted as (

    select
        final.station_id,
        final.observed_at,
        count(earlier.precipitation_mm) as hours,
        round(sum(earlier.precipitation_mm), 2) as precipitation_mm,
        max(earlier.temperature_max_c) as temperature_max_c,
        count(earlier.temperature_max_c) as temperature_max_hours
    from sampled as final
    inner join sampled as earlier
        on
            final.station_id = earlier.station_id
            and final.observed_at - to_hours(24) < earlier.observed_at
            and final.observed_at >= earlier.observed_at
    where final.observed_at in (select affected.observed_at from {{ ref('int_affected_hours') }} as affected)
    group by all

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

-- Each station's day exists once, has at most 24 hours, and no value has fewer hours than it needs.
select
    station_id,
    observed_date,
    count(*) as times
from {{ ref('daily_observations') }}
where observed_date in (select affected.observed_date from {{ ref('int_affected_days') }} as affected)
group by all
having
    count(*) <> 1
    or max(greatest(
        present_hours, precipitation_hours, temperature_min_hours, temperature_max_hours, temperature_mean_hours,
        wind_mean_hours, gust_max_hours, sunshine_hours
    )) > 24
    or bool_or(precipitation_mm is not null and precipitation_hours < 24)
    or bool_or(temperature_min_c is not null and temperature_min_hours < 24)
    or bool_or(temperature_max_c is not null and temperature_max_hours < 24)

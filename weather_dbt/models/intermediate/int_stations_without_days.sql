{# Stations of unknown FU have no days to be summed up, so their hours are. #}

with

hours as (

    select * from {{ ref('hourly_observations') }}
    -- A range of ids: DuckDB then skips the row groups without overseas stations.
    where station_id between '97' and '99' and {{ utc_offset_of('station_id') }} is null

)

select
    station_id,
    arg_max(latitude, observed_at) as latitude,
    arg_max(longitude, observed_at) as longitude,
    min(observed_at) as first_observed_at,
    max(observed_at) as last_observed_at,
    count(*) as present_hours,
    count(temperature_c) as temperature_mean_hours,
    count(dew_point_c) as dew_point_hours,
    count(humidity_pct) as humidity_mean_hours,
    count(wind_speed_ms) as wind_mean_hours,
    count(gust_ms) as gust_max_hours,
    count(precipitation_mm) as precipitation_hours,
    count(snow_depth_cm) as snow_depth_max_hours,
    count(visibility_m) as visibility_hours,
    count(cloud_cover_octas) + count(*) filter (is_sky_obscured) as cloud_cover_hours,
    count(ground_state_code) as ground_state_hours,
    count(sunshine_min) as sunshine_hours,
    count(radiation_j_m2) as radiation_hours,
    count(pressure_hpa) as pressure_mean_hours,
    count(soil_temperature_10cm_c) as soil_temperature_hours
from hours
group by station_id

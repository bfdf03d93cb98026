{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook='{{ forget_affected_days() }}',
    post_hook=["{{ follow_station_list(ref('int_stations'), ['station_name']) }}", '{{ settle_days() }}']
) }}

with

affected_days as (

    select * from {{ ref('int_affected_days') }}

),

hours_of_stations as (

    select
        *,
        {{ utc_offset_of('station_id') }} as utc_offset_hours
    from {{ ref('hourly_observations') }}
    where {{ within_affected_days('observed_at') }}

),

hours as (

    select
        *,
        {{ rain_date('observed_at', 'utc_offset_hours') }} as rain_date,
        {{ minimum_date('observed_at', 'utc_offset_hours') }} as minimum_date,
        {{ civil_date('observed_at', 'utc_offset_hours') }} as civil_date
    from hours_of_stations
    -- No day is built where FU is not known: int_station_findings names these stations.
    where utc_offset_hours is not null

),

rain_days as (

    select
        station_id,
        rain_date as observed_date,
        {{ day_of('sum', 'precipitation_mm', 'precipitation', 'mm', decimals=1) }},
        {{ day_flag('sum(' ~ exact('precipitation_mm') ~ ') >= 1', 'precipitation_mm') }} as is_rain_day,
        {{ day_of('max', 'temperature_max_c', 'temperature_max', 'c') }}
    from hours
    semi join affected_days
        on hours.utc_offset_hours = affected_days.utc_offset_hours and hours.rain_date = affected_days.observed_date
    group by station_id, rain_date

),

minimum_days as (

    select
        station_id,
        minimum_date as observed_date,
        {{ day_of('min', 'temperature_min_c', 'temperature_min', 'c') }},
        {{ day_flag('min(temperature_min_c) <= 0', 'temperature_min_c') }} as is_frost_day
    from hours
    semi join affected_days
        on hours.utc_offset_hours = affected_days.utc_offset_hours and hours.minimum_date = affected_days.observed_date
    group by station_id, minimum_date

),

civil_days as (

    select
        station_id,
        civil_date as observed_date,
        count(*) as present_hours,
        min(observed_at) as first_observed_at,
        max(observed_at) as last_observed_at,
        arg_max(latitude, observed_at) as latitude,
        arg_max(longitude, observed_at) as longitude,
        {{ day_of('avg', 'temperature_c', 'temperature_mean', 'c') }},
        {{ day_of('avg', 'humidity_pct', 'humidity_mean', 'pct', decimals=1) }},
        {{ day_of('avg', 'wind_speed_ms', 'wind_mean', 'ms') }},
        {{ day_of('max', 'max_mean_wind_ms', 'max_mean_wind', 'ms') }},
        case when min(gust_kind) = max(gust_kind) and count(gust_ms) = 24 then max(gust_ms) end as gust_max_ms,
        case when min(gust_kind) = max(gust_kind) then max(gust_kind) end as gust_kind,
        count(gust_ms) as gust_max_hours,
        {{ day_of('sum', 'sunshine_min', 'sunshine', 'min') }},
        {{ day_of('sum', 'radiation_j_m2', 'radiation', 'j_m2') }},
        {{ day_of('avg', 'pressure_hpa', 'pressure_mean', 'hpa') }},
        {{ day_of('avg', 'sea_level_pressure_hpa', 'sea_level_pressure_mean', 'hpa') }},
        max(snow_depth_cm) filter (hour(observed_at at time zone 'UTC') = 6) as snow_depth_06utc_cm,
        {{ day_of('max', 'snow_depth_cm', 'snow_depth_max', 'cm') }},
        {{ day_flag('max(snow_depth_cm) >= 1', 'snow_depth_cm') }} as is_snow_day,
        count(dew_point_c) as dew_point_hours,
        count(visibility_m) as visibility_hours,
        count(cloud_cover_octas) + count(*) filter (is_sky_obscured) as cloud_cover_hours,
        count(ground_state_code) as ground_state_hours,
        count(soil_temperature_10cm_c) as soil_temperature_hours
    from hours
    semi join affected_days
        on hours.utc_offset_hours = affected_days.utc_offset_hours and hours.civil_date = affected_days.observed_date
    group by station_id, civil_date

),

stations as (

    select
        station_id,
        station_name
    from {{ ref('int_stations') }}

),

days as (

    select
        station_id,
        observed_date,
        {{ department_of('station_id') }} as department_code,
        rain_days.* exclude (station_id, observed_date),
        minimum_days.* exclude (station_id, observed_date),
        civil_days.* exclude (station_id, observed_date)
    from rain_days
    full outer join minimum_days using (station_id, observed_date)
    full outer join civil_days using (station_id, observed_date)

),

newest_days as (

    select
        department_code,
        last_observed_at
    from days

    {% if is_incremental() -%}
    union all
    select
        department_code,
        last_observed_at
    from {{ this }}
    {%- endif %}

),

reported as (

    select
        department_code,
        max(last_observed_at) as newest_hour
    from newest_days
    group by department_code

),

final as (

    select
        days.station_id,
        stations.station_name,
        days.department_code,
        days.observed_date,
        {{ is_day_final('days.observed_date', utc_offset_of('days.station_id'), 'reported.newest_hour') }} as is_final,
        days.precipitation_mm,
        coalesce(days.precipitation_hours, 0) as precipitation_hours,
        days.temperature_min_c,
        coalesce(days.temperature_min_hours, 0) as temperature_min_hours,
        days.temperature_max_c,
        coalesce(days.temperature_max_hours, 0) as temperature_max_hours,
        days.temperature_mean_c,
        coalesce(days.temperature_mean_hours, 0) as temperature_mean_hours,
        days.humidity_mean_pct,
        coalesce(days.humidity_mean_hours, 0) as humidity_mean_hours,
        days.wind_mean_ms,
        coalesce(days.wind_mean_hours, 0) as wind_mean_hours,
        days.max_mean_wind_ms,
        coalesce(days.max_mean_wind_hours, 0) as max_mean_wind_hours,
        days.gust_max_ms,
        days.gust_kind,
        coalesce(days.gust_max_hours, 0) as gust_max_hours,
        days.sunshine_min,
        coalesce(days.sunshine_hours, 0) as sunshine_hours,
        days.radiation_j_m2,
        coalesce(days.radiation_hours, 0) as radiation_hours,
        days.pressure_mean_hpa,
        coalesce(days.pressure_mean_hours, 0) as pressure_mean_hours,
        days.sea_level_pressure_mean_hpa,
        coalesce(days.sea_level_pressure_mean_hours, 0) as sea_level_pressure_mean_hours,
        days.snow_depth_06utc_cm,
        days.snow_depth_max_cm,
        coalesce(days.snow_depth_max_hours, 0) as snow_depth_max_hours,
        days.is_rain_day,
        days.is_frost_day,
        days.is_snow_day,
        coalesce(days.dew_point_hours, 0) as dew_point_hours,
        coalesce(days.visibility_hours, 0) as visibility_hours,
        coalesce(days.cloud_cover_hours, 0) as cloud_cover_hours,
        coalesce(days.ground_state_hours, 0) as ground_state_hours,
        coalesce(days.soil_temperature_hours, 0) as soil_temperature_hours,
        coalesce(days.present_hours, 0) as present_hours,
        days.first_observed_at,
        days.last_observed_at,
        days.latitude,
        days.longitude
    from days
    left join stations on days.station_id = stations.station_id
    left join reported on days.department_code = reported.department_code
    order by days.station_id, days.observed_date

)

select * from final

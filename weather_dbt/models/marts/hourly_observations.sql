with

observations as (

    select * from {{ ref('int_observations_cleaned') }}

),

stations as (

    select
        station_id,
        station_name,
        department_code
    from {{ ref('stations') }}

),

final as (

    select
        observations.station_id,
        stations.station_name,
        stations.department_code,
        observations.observed_at,
        observations.temperature_c,
        observations.temperature_max_c,
        observations.temperature_min_c,
        observations.dew_point_c,
        observations.humidity_pct,
        observations.humidity_max_pct,
        observations.humidity_min_pct,
        observations.wind_direction_deg,
        observations.wind_speed_ms,
        {{ ms_to_kmh('observations.wind_speed_ms') }} as wind_speed_kmh,
        {{ wind_sector('observations.wind_direction_deg') }} as wind_sector,
        {{ beaufort('observations.wind_speed_ms') }} as beaufort,
        observations.max_mean_wind_ms,
        observations.max_mean_wind_direction_deg,
        coalesce(observations.gust_3s_ms, observations.gust_instantaneous_ms) as gust_ms,
        case
            when observations.gust_3s_ms is not null then observations.gust_3s_direction_deg
            else observations.gust_instantaneous_direction_deg
        end as gust_direction_deg,
        case
            when observations.gust_3s_ms is not null then '3s'
            when observations.gust_instantaneous_ms is not null then 'instantaneous'
        end as gust_kind,
        observations.precipitation_mm,
        observations.is_trace,
        observations.snow_depth_cm,
        observations.visibility_m,
        cast(observations.ground_state_code as integer) as ground_state_code,
        case
            when observations.cloud_cover_code_octas <= 8 then cast(observations.cloud_cover_code_octas as integer)
        end as cloud_cover_octas,
        observations.cloud_cover_code_octas = 9 as is_sky_obscured,
        observations.sunshine_min,
        observations.radiation_j_m2,
        observations.pressure_hpa,
        observations.sea_level_pressure_hpa,
        observations.soil_temperature_10cm_c,
        observations.soil_temperature_20cm_c,
        observations.soil_temperature_50cm_c,
        observations.soil_temperature_100cm_c,
        observations.first_seen_at,
        observations.revised_at
    from observations
    inner join stations on observations.station_id = stations.station_id
    -- A station's week then lies in one row group.
    order by observations.station_id, observations.observed_at

)

select * from final

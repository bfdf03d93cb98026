{# Upstream's codes become what they mean; what cannot be true becomes null. Rows are never dropped. #}

with

observations as (

    select * from {{ ref('stg_meteofrance__observations') }}

),

decoded as (

    select
        *,
        case when precipitation_code_mm = -0.1 then 0 else precipitation_code_mm end as precipitation_mm,
        precipitation_code_mm = -0.1 as is_trace
    from observations

),

cleaned as (

    select
        station_id,
        observed_at,
        latitude,
        longitude,
        {% for column in [
            'temperature_c', 'temperature_max_c', 'temperature_min_c', 'dew_point_c',
            'humidity_pct', 'humidity_max_pct', 'humidity_min_pct', 'wind_speed_ms', 'max_mean_wind_ms',
            'gust_3s_ms', 'gust_instantaneous_ms', 'precipitation_mm', 'snow_depth_cm', 'visibility_m',
            'ground_state_code', 'cloud_cover_code_octas', 'sunshine_min', 'radiation_j_m2',
            'soil_temperature_10cm_c', 'soil_temperature_20cm_c', 'soil_temperature_50cm_c',
            'soil_temperature_100cm_c', 'pressure_hpa', 'sea_level_pressure_hpa',
        ] -%}
        {{ within_bounds(column) }} as {{ column }},
        {% endfor -%}
        {{ wind_direction('wind_direction_deg', 'wind_speed_ms') }} as wind_direction_deg,
        {{ wind_direction('max_mean_wind_direction_deg', 'max_mean_wind_ms') }} as max_mean_wind_direction_deg,
        {{ wind_direction('gust_3s_direction_deg', 'gust_3s_ms') }} as gust_3s_direction_deg,
        {{ wind_direction('gust_instantaneous_direction_deg', 'gust_instantaneous_ms') }}
            as gust_instantaneous_direction_deg,
        is_trace,
        load_id,
        first_seen_at,
        revised_at
    from decoded

)

select * from cleaned

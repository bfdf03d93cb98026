{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook='{{ forget_affected_hours() }}',
    post_hook="{{ follow_station_list(ref('int_stations'), ['station_name']) }}"
) }}

with

observations as (

    select
        *,
        coalesce(gust_3s_ms, gust_instantaneous_ms) as gust_ms,
        case
            when gust_3s_ms is not null then gust_3s_direction_deg
            else gust_instantaneous_direction_deg
        end as gust_direction_deg,
        case
            when gust_3s_ms is not null then '3s'
            when gust_instantaneous_ms is not null then 'instantaneous'
        end as gust_kind,
        {{ ms_to_kmh('wind_speed_ms') }} as wind_speed_kmh
    from {{ ref('int_observations_cleaned') }}

),

stations as (

    select * from {{ ref('int_stations') }}

),

windows as (

    select
        station_id,
        observed_at,
        {% for hours in [3, 6, 12, 24] -%}
        {{ window_of('sum', 'precipitation_mm', hours, 'precipitation', 'mm') }},
        {{ window_of('avg', 'temperature_c', hours, 'temperature_mean', 'c') }},
        {{ window_of('min', 'temperature_min_c', hours, 'temperature_min', 'c') }},
        {{ window_of('max', 'temperature_max_c', hours, 'temperature_max', 'c') }},
        -- The two kinds of gust are not comparable: a window that mixes them has no maximum.
        case
            when
                max(gust_kind) {{ last_slots(hours) }} = min(gust_kind) {{ last_slots(hours) }}
                and count(gust_ms) {{ last_slots(hours) }} = {{ hours }}
                then max(gust_ms) {{ last_slots(hours) }}
        end as gust_max_{{ hours }}h_ms,
        count(gust_ms) {{ last_slots(hours) }} as gust_max_{{ hours }}h_hours,
        {% endfor -%}
        {{ window_of('max', 'snow_depth_cm', 24, 'snow_depth_max', 'cm') }},
        round(snow_depth_cm - {{ hours_before('snow_depth_cm', 24) }}, 1) as snow_depth_change_24h_cm,
        round(pressure_hpa - {{ hours_before('pressure_hpa', 3) }}, 2) as pressure_tendency_3h_hpa
    from observations

),

fields_found as (

    select
        station_id,
        observed_at,
        string_agg(distinct field, ',' order by field) filter (where severity = 'impossible') as rejected_fields,
        string_agg(distinct field, ',' order by field) filter (where severity = 'suspicious') as suspicious_fields
    from {{ ref('int_hourly_findings') }}
    where {{ within_batch('observed_at') }}
    group by station_id, observed_at

),

final as (

    select
        observations.station_id,
        stations.station_name,
        {{ department_of('observations.station_id') }} as department_code,
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
        observations.wind_speed_kmh,
        wind_sectors.wind_sector,
        beaufort_scale.beaufort,
        observations.max_mean_wind_ms,
        observations.max_mean_wind_direction_deg,
        observations.gust_ms,
        observations.gust_direction_deg,
        observations.gust_kind,
        observations.precipitation_mm,
        observations.is_trace,
        observations.snow_depth_cm,
        observations.visibility_m,
        observations.ground_state_code,
        observations.cloud_cover_octas,
        observations.is_sky_obscured,
        observations.sunshine_min,
        observations.radiation_j_m2,
        observations.pressure_hpa,
        observations.sea_level_pressure_hpa,
        observations.soil_temperature_10cm_c,
        observations.soil_temperature_20cm_c,
        observations.soil_temperature_50cm_c,
        observations.soil_temperature_100cm_c,
        observations.source,
        observations.first_seen_at,
        observations.revised_at,
        observations.latitude,
        observations.longitude,
        fields_found.rejected_fields,
        fields_found.suspicious_fields,
        case
            when observations.dew_point_c is null
                then {{ dew_point_from_humidity_c('observations.temperature_c', 'observations.humidity_pct') }}
        end as dew_point_derived_c,
        case
            when observations.humidity_pct is null
                then {{ humidity_from_dew_point_pct('observations.temperature_c', 'observations.dew_point_c') }}
        end as humidity_derived_pct,
        {{ wind_chill_c('observations.temperature_c', 'observations.wind_speed_kmh') }} as wind_chill_c,
        {{ humidex_c('observations.temperature_c', 'observations.dew_point_c') }} as humidex_c,
        {{ vapour_pressure_deficit_kpa('observations.temperature_c', 'observations.humidity_pct') }}
            as vapour_pressure_deficit_kpa,
        {{ mean_radiation_w_m2('observations.radiation_j_m2') }} as mean_radiation_w_m2,
        temperature_bands.temperature_band,
        precipitation_bands.precipitation_band,
        snow_bands.snow_band,
        visibility_classes.visibility_class,
        windows.* exclude (station_id, observed_at)
    from observations
    inner join windows
        on observations.station_id = windows.station_id and observations.observed_at = windows.observed_at
    left join stations on observations.station_id = stations.station_id
    left join fields_found
        on observations.station_id = fields_found.station_id and observations.observed_at = fields_found.observed_at
    left join {{ ref('wind_sectors') }} as wind_sectors
        on cast(floor((observations.wind_direction_deg + 11.25) / 22.5) as integer) % 16 = wind_sectors.sector_number
    {{ band_of('beaufort_scale', 'wind_speed_ms', 'ms') }}
    {{ band_of('temperature_bands', 'temperature_c', 'c') }}
    {{ band_of('precipitation_bands', 'precipitation_mm', 'mm') }}
    {{ band_of('snow_bands', 'snow_depth_cm', 'cm') }}
    {{ band_of('visibility_classes', 'visibility_m', 'm') }}
    where observations.is_affected
    -- So that a station's week lies in one row group.
    order by observations.station_id, observations.observed_at

)

select * from final

{% set fields = {
    'temperature_c': ['t', 'K'],
    'temperature_max_c': ['tx', 'K'],
    'temperature_min_c': ['tn', 'K'],
    'dew_point_c': ['td', 'K'],
    'humidity_pct': ['u', '%'],
    'humidity_max_pct': ['ux', '%'],
    'humidity_min_pct': ['un', '%'],
    'wind_direction_deg': ['dd', 'degree'],
    'wind_speed_ms': ['ff', 'm/s'],
    'max_mean_wind_ms': ['fxy', 'm/s'],
    'max_mean_wind_direction_deg': ['dxy', 'degree'],
    'gust_3s_ms': ['raf', 'm/s'],
    'gust_3s_direction_deg': ['ddraf', 'degree'],
    'gust_instantaneous_ms': ['fxi', 'm/s'],
    'gust_instantaneous_direction_deg': ['dxi', 'degree'],
    'precipitation_mm': ['rr1', 'mm or trace'],
    'snow_depth_cm': ['sss', 'm of snow'],
    'visibility_m': ['vv', 'm'],
    'ground_state_code': ['etat_sol', 'code'],
    'cloud_cover_code_octas': ['n', 'octa or 9'],
    'sunshine_min': ['insolh', 'minute'],
    'radiation_j_m2': ['ray_glo01', 'J/m2'],
    'soil_temperature_10cm_c': ['t_10', 'K'],
    'soil_temperature_20cm_c': ['t_20', 'K'],
    'soil_temperature_50cm_c': ['t_50', 'K'],
    'soil_temperature_100cm_c': ['t_100', 'K'],
    'pressure_hpa': ['pres', 'Pa'],
    'sea_level_pressure_hpa': ['pmer', 'Pa'],
} %}

with

hourly as (

    select *
    from {{ source('meteofrance', 'observations') }}
    qualify row_number() over (partition by geo_id_insee, observed_at order by version desc) = 1

),

-- Twice in use: DuckDB would compute it for all hours before any condition.
rebuilt as not materialized (

    select *
    from {{ source('meteofrance', 'rebuilt_observations') }}
    -- An order's values are those of the climate's database.
    qualify
        row_number() over (
            partition by geo_id_insee, observed_at order by origin = 'order' desc, version desc
        ) = 1

),

{#
    An hourly row comes first, whatever arrived first; where it has no value, the rebuilt one stays. The two kinds of
    gust are one choice: a rebuilt gust never stands beside one of the other kind.
#}
current_versions as (

    select
        hourly.geo_id_insee,
        hourly.observed_at,
        'realtime' as source,
        coalesce(hourly.lat, rebuilt.lat) as lat,
        coalesce(hourly.lon, rebuilt.lon) as lon,
        {% for column, unit in fields.values() -%}
        {%- if column in ['raf', 'ddraf', 'fxi', 'dxi'] -%}
        case when coalesce(hourly.raf, hourly.fxi) is null then rebuilt.{{ column }} else hourly.{{ column }} end
        {%- else -%}
        coalesce(hourly.{{ column }}, rebuilt.{{ column }})
        {%- endif %} as {{ column }},
        {% endfor -%}
        hourly.version,
        hourly.load_id,
        hourly.first_seen_at,
        hourly.version_seen_at
    from hourly
    left join rebuilt on hourly.geo_id_insee = rebuilt.geo_id_insee and hourly.observed_at = rebuilt.observed_at

    union all by name

    select
        rebuilt.* exclude (origin),
        rebuilt.origin as source
    from rebuilt
    where
        not exists (
            select 1 from {{ source('meteofrance', 'observations') }} as told
            where told.geo_id_insee = rebuilt.geo_id_insee and told.observed_at = rebuilt.observed_at
        )

),

renamed as (

    select
        geo_id_insee as station_id,
        observed_at,
        {{ degrees('lat', 90) }} as latitude,
        {{ degrees('lon', 180) }} as longitude,
        {{ readings_from(fields) }},
        {{ number('rr1') }} = -0.1 as is_trace,
        {{ unreadable_findings(fields) }} as unreadable,
        source,
        load_id,
        first_seen_at,
        version_seen_at,
        case when version > 1 then version_seen_at end as revised_at
    from current_versions

)

select * from renamed

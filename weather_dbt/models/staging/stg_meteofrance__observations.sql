with

current_versions as (

    select *
    from {{ source('raw', 'observations') }}
    qualify row_number() over (partition by geo_id_insee, observed_at order by version desc) = 1

),

renamed as (

    select
        -- key
        geo_id_insee as station_id,
        observed_at,

        -- place, as this hour's row gave it
        {{ number('lat') }} as latitude,
        {{ number('lon') }} as longitude,

        -- air
        {{ kelvin_to_celsius('t') }} as temperature_c,
        {{ kelvin_to_celsius('tx') }} as temperature_max_c,
        {{ kelvin_to_celsius('tn') }} as temperature_min_c,
        {{ kelvin_to_celsius('td') }} as dew_point_c,
        {{ number('u') }} as humidity_pct,
        {{ number('ux') }} as humidity_max_pct,
        {{ number('un') }} as humidity_min_pct,

        -- wind; v1's instantaneous maximum and v2's 3-second gust are two quantities
        {{ number('dd') }} as wind_direction_deg,
        {{ number('ff') }} as wind_speed_ms,
        {{ number('fxy') }} as max_mean_wind_ms,
        {{ number('dxy') }} as max_mean_wind_direction_deg,
        {{ number('raf') }} as gust_3s_ms,
        {{ number('ddraf') }} as gust_3s_direction_deg,
        {{ number('fxi') }} as gust_instantaneous_ms,
        {{ number('dxi') }} as gust_instantaneous_direction_deg,

        -- water; -0.1 is upstream's sign for a trace, so it is no amount yet
        {{ number('rr1') }} as precipitation_code_mm,
        {{ metre_to_centimetre('sss') }} as snow_depth_cm,

        -- sky and ground; 9 octas is upstream's sign for a sky that cannot be seen
        {{ number('vv') }} as visibility_m,
        {{ number('etat_sol') }} as ground_state_code,
        {{ number('n') }} as cloud_cover_code_octas,
        {{ number('insolh') }} as sunshine_min,
        {{ number('ray_glo01') }} as radiation_j_m2,
        {{ kelvin_to_celsius('t_10') }} as soil_temperature_10cm_c,
        {{ kelvin_to_celsius('t_20') }} as soil_temperature_20cm_c,
        {{ kelvin_to_celsius('t_50') }} as soil_temperature_50cm_c,
        {{ kelvin_to_celsius('t_100') }} as soil_temperature_100cm_c,

        -- pressure
        {{ pascal_to_hectopascal('pres') }} as pressure_hpa,
        {{ pascal_to_hectopascal('pmer') }} as sea_level_pressure_hpa,

        -- versions
        version,
        load_id,
        first_seen_at,
        case when version > 1 then version_seen_at end as revised_at

    from current_versions

)

select * from renamed

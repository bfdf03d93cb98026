{# What the marts show: no impossible readings, upstream's codes decoded, no future hours. #}

with

batch as (

    select * from {{ ref('int_batch_observations') }}
    where not is_future

),

coherent as (

    select
        station_id,
        observed_at,
        hour_number,
        is_affected,
        latitude,
        longitude,
        {% for column in readings() -%}
        {{ unless_impossible(column) }},
        {% endfor -%}
        is_trace,
        list_concat(findings, {{ findings_that_hold(row_findings()) }}) as findings,
        source,
        first_seen_at,
        revised_at
    from batch

),

decoded as (

    select
        * exclude (cloud_cover_code_octas, is_trace)
        replace (
            cast(ground_state_code as integer) as ground_state_code,
            -- Upstream writes 0 for calm and 360 for north: calm wind has no direction.
            {{ bearing('wind_direction_deg', 'wind_speed_ms') }} as wind_direction_deg,
            {{ bearing('max_mean_wind_direction_deg', 'max_mean_wind_ms') }} as max_mean_wind_direction_deg,
            {{ bearing('gust_3s_direction_deg', 'gust_3s_ms') }} as gust_3s_direction_deg,
            {{ bearing('gust_instantaneous_direction_deg', 'gust_instantaneous_ms') }}
                as gust_instantaneous_direction_deg
        ),
        case when precipitation_mm is not null then is_trace end as is_trace,
        -- Upstream writes 9 octas for a sky that cannot be seen.
        case when cloud_cover_code_octas <= 8 then cast(cloud_cover_code_octas as integer) end as cloud_cover_octas,
        cloud_cover_code_octas > 8 as is_sky_obscured
    from coherent

)

select * from decoded

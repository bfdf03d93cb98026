{#
    Every reading, declared once: our column and its possible range in the column's unit. A source's staging model says
    which of its fields fills the column, and in which unit.
    The bounds are a little beyond the records in the World Meteorological Organization's archive of weather extremes:
    a value outside is a fault of the instrument or the line.
#}
{% macro readings() -%}
    {{ return({
        'temperature_c': [-95, 60],
        'temperature_max_c': [-95, 60],
        'temperature_min_c': [-95, 60],
        'dew_point_c': [-110, 45],
        'humidity_pct': [0, 100],
        'humidity_max_pct': [0, 100],
        'humidity_min_pct': [0, 100],
        'wind_direction_deg': [0, 360],
        'wind_speed_ms': [0, 100],
        'max_mean_wind_ms': [0, 100],
        'max_mean_wind_direction_deg': [0, 360],
        'gust_3s_ms': [0, 125],
        'gust_3s_direction_deg': [0, 360],
        'gust_instantaneous_ms': [0, 125],
        'gust_instantaneous_direction_deg': [0, 360],
        'precipitation_mm': [0, 310],
        'snow_depth_cm': [0, 1200],
        'visibility_m': [0, 100000],
        'ground_state_code': [0, 31],
        'cloud_cover_code_octas': [0, 9],
        'sunshine_min': [0, 60],
        'radiation_j_m2': [0, 5500000],
        'soil_temperature_10cm_c': [-60, 80],
        'soil_temperature_20cm_c': [-60, 70],
        'soil_temperature_50cm_c': [-60, 60],
        'soil_temperature_100cm_c': [-60, 60],
        'pressure_hpa': [400, 1100],
        'sea_level_pressure_hpa': [850, 1095],
    }) }}
{%- endmacro %}

{#
    The columns of all readings, from `fields`: our column to upstream's field and unit. A reading without a field is
    null in every row.
#}
{% macro readings_from(fields) -%}
    {%- for column in readings() -%}
        {%- if column in fields -%}
            {{ converted(fields[column][0], fields[column][1]) }}
        {%- else -%}
            cast(null as double)
        {%- endif %} as {{ column }}{{ ',\n' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{# The findings about fields that are present but not a number. #}
{% macro unreadable_findings(fields) -%}
    {%- set expressions = [] -%}
    {%- for column in readings() if column in fields -%}
        {%- set field = fields[column][0] -%}
        {%- do expressions.append(
            'case when ' ~ field ~ ' is not null and (' ~ number(field) ~ ') is null then '
            ~ finding(column, field, 'unreadable', 'impossible') ~ ' end'
        ) -%}
    {%- endfor -%}
    {{ findings_that_hold(expressions) }}
{%- endmacro %}

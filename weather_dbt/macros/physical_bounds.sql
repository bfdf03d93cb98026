{#
    What a reading of each quantity can be at all, by column: [lowest, highest], in the column's unit.
    Beyond the records of the World Meteorological Organization's archive of extremes with some room:
    a value outside is a fault of the instrument or of the line, never weather.
#}
{% macro physical_bounds() -%}
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

{# The column, or null where it is impossible. `expression` stands in for a column made on the way. #}
{% macro within_bounds(column, expression=none) -%}
    {%- set low, high = physical_bounds()[column] -%}
    {%- set value = expression or column -%}
    case when {{ value }} between {{ low }} and {{ high }} then {{ value }} end
{%- endmacro %}

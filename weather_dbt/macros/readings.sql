{#
    Every reading, declared once: our column, upstream's field and unit, and the possible range in the column's unit.
    The bounds are a little beyond the records in the World Meteorological Organization's archive of weather extremes:
    a value outside is a fault of the instrument or the line.
#}
{% macro readings() -%}
    {{ return({
        'temperature_c': {'field': 't', 'unit': 'K', 'bounds': [-95, 60]},
        'temperature_max_c': {'field': 'tx', 'unit': 'K', 'bounds': [-95, 60]},
        'temperature_min_c': {'field': 'tn', 'unit': 'K', 'bounds': [-95, 60]},
        'dew_point_c': {'field': 'td', 'unit': 'K', 'bounds': [-110, 45]},
        'humidity_pct': {'field': 'u', 'unit': '%', 'bounds': [0, 100]},
        'humidity_max_pct': {'field': 'ux', 'unit': '%', 'bounds': [0, 100]},
        'humidity_min_pct': {'field': 'un', 'unit': '%', 'bounds': [0, 100]},
        'wind_direction_deg': {'field': 'dd', 'unit': 'degree', 'bounds': [0, 360]},
        'wind_speed_ms': {'field': 'ff', 'unit': 'm/s', 'bounds': [0, 100]},
        'max_mean_wind_ms': {'field': 'fxy', 'unit': 'm/s', 'bounds': [0, 100]},
        'max_mean_wind_direction_deg': {'field': 'dxy', 'unit': 'degree', 'bounds': [0, 360]},
        'gust_3s_ms': {'field': 'raf', 'unit': 'm/s', 'bounds': [0, 125]},
        'gust_3s_direction_deg': {'field': 'ddraf', 'unit': 'degree', 'bounds': [0, 360]},
        'gust_instantaneous_ms': {'field': 'fxi', 'unit': 'm/s', 'bounds': [0, 125]},
        'gust_instantaneous_direction_deg': {'field': 'dxi', 'unit': 'degree', 'bounds': [0, 360]},
        'precipitation_mm': {'field': 'rr1', 'unit': 'mm or trace', 'bounds': [0, 310]},
        'snow_depth_cm': {'field': 'sss', 'unit': 'm of snow', 'bounds': [0, 1200]},
        'visibility_m': {'field': 'vv', 'unit': 'm', 'bounds': [0, 100000]},
        'ground_state_code': {'field': 'etat_sol', 'unit': 'code', 'bounds': [0, 31]},
        'cloud_cover_code_octas': {'field': 'n', 'unit': 'octa or 9', 'bounds': [0, 9]},
        'sunshine_min': {'field': 'insolh', 'unit': 'minute', 'bounds': [0, 60]},
        'radiation_j_m2': {'field': 'ray_glo01', 'unit': 'J/m2', 'bounds': [0, 5500000]},
        'soil_temperature_10cm_c': {'field': 't_10', 'unit': 'K', 'bounds': [-60, 80]},
        'soil_temperature_20cm_c': {'field': 't_20', 'unit': 'K', 'bounds': [-60, 70]},
        'soil_temperature_50cm_c': {'field': 't_50', 'unit': 'K', 'bounds': [-60, 60]},
        'soil_temperature_100cm_c': {'field': 't_100', 'unit': 'K', 'bounds': [-60, 60]},
        'pressure_hpa': {'field': 'pres', 'unit': 'Pa', 'bounds': [400, 1100]},
        'sea_level_pressure_hpa': {'field': 'pmer', 'unit': 'Pa', 'bounds': [850, 1095]},
    }) }}
{%- endmacro %}

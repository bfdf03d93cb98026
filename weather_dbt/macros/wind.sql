{# Sixteen sectors of 22.5 degrees, the first centred on north. #}
{% macro wind_sector(direction) -%}
    [
        'N', 'NNE', 'NE', 'ENE', 'E', 'ESE', 'SE', 'SSE', 'S', 'SSW', 'SW', 'WSW', 'W', 'WNW', 'NW', 'NNW'
    ][cast(floor(({{ direction }} + 11.25) / 22.5) as integer) % 16 + 1]
{%- endmacro %}

{# Beaufort number by the lower limits in m/s of WMO-No. 8, part I, chapter 5; wind reported to 0.1 m/s. #}
{% macro beaufort(speed_ms) -%}
    case
        {%- for limit in [0.3, 1.6, 3.4, 5.5, 8.0, 10.8, 13.9, 17.2, 20.8, 24.5, 28.5, 32.7] %}
        when {{ speed_ms }} < {{ limit }} then {{ loop.index0 }}
        {%- endfor %}
        when {{ speed_ms }} is not null then 12
    end
{%- endmacro %}

{# Upstream writes direction 0 for calm; north is 360. A direction without wind is no direction. #}
{% macro wind_direction(direction, speed) -%}
    case when {{ direction }} > 0 and coalesce({{ speed }}, 1) > 0 then {{ within_bounds(direction) }} end
{%- endmacro %}

{# Conversions from upstream's units. Rounding removes the digits that binary arithmetic adds. #}

{# A number, or null where upstream's text is not one. NaN and infinity are not readings. #}
{% macro number(column) -%}
    case when isfinite(try_cast({{ column }} as double)) then try_cast({{ column }} as double) end
{%- endmacro %}

{# A coordinate, or null where there is no such place: the marts' contracts would refuse every station for one slip. #}
{% macro degrees(column, limit) -%}
    case when abs({{ number(column) }}) <= {{ limit }} then {{ number(column) }} end
{%- endmacro %}

{# A reading in our unit. Upstream writes rr1 = -0.1 for a trace, which is too little to measure: 0 mm. #}
{% macro converted(field, unit) -%}
    {%- if unit == 'K' -%} round({{ number(field) }} - 273.15, 2)
    {%- elif unit == 'Pa' -%} round({{ number(field) }} / 100, 2)
    {%- elif unit == 'm of snow' -%} round({{ number(field) }} * 100, 1)
    {%- elif unit == 'mm or trace' -%} case when {{ number(field) }} = -0.1 then 0 else {{ number(field) }} end
    {%- else -%} {{ number(field) }}
    {%- endif -%}
{%- endmacro %}

{# 1 m/s is exactly 3.6 km/h. #}
{% macro ms_to_kmh(column) -%}
    round({{ column }} * 3.6, 2)
{%- endmacro %}

{# Direction the wind comes from, or null: upstream's 0 is not a direction, and calm wind has none. #}
{% macro bearing(direction, speed) -%}
    case when {{ direction }} > 0 and coalesce({{ speed }}, 1) > 0 then {{ direction }} end
{%- endmacro %}

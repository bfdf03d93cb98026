{# Conversions from upstream's units. Rounding takes away what only binary arithmetic added. #}

{# A number, or null where upstream's text is not one; NaN and infinity are not readings. #}
{% macro number(column) -%}
    case when isfinite(try_cast({{ column }} as double)) then try_cast({{ column }} as double) end
{%- endmacro %}

{% macro kelvin_to_celsius(column) -%}
    round({{ number(column) }} - 273.15, 2)
{%- endmacro %}

{% macro pascal_to_hectopascal(column) -%}
    round({{ number(column) }} / 100, 2)
{%- endmacro %}

{% macro metre_to_centimetre(column) -%}
    round({{ number(column) }} * 100, 1)
{%- endmacro %}

{# 1 m/s is exactly 3.6 km/h. #}
{% macro ms_to_kmh(column) -%}
    round({{ column }} * 3.6, 2)
{%- endmacro %}

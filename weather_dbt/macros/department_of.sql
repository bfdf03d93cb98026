{# The département as upstream numbers it: three digits overseas, no leading zero elsewhere. #}
{% macro department_of(station_id) -%}
    case
        when left({{ station_id }}, 2) in ('97', '98') then left({{ station_id }}, 3)
        else ltrim(left({{ station_id }}, 2), '0')
    end
{%- endmacro %}

{# Joins a scale: a band contains its lower limit and excludes its upper one. #}
{% macro band_of(scale, reading, unit) -%}
    left join {{ ref(scale) }} as {{ scale }}
        on
            observations.{{ reading }} >= {{ scale }}.lower_{{ unit }}
            and observations.{{ reading }} < {{ scale }}.upper_{{ unit }}
{%- endmacro %}

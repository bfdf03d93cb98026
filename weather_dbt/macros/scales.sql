{# Joins a scale: the band whose lower limit the reading reaches and whose upper limit it stays under. #}
{% macro band_of(scale, reading, unit) -%}
    left join {{ ref(scale) }} as {{ scale }}
        on
            observations.{{ reading }} >= {{ scale }}.lower_{{ unit }}
            and observations.{{ reading }} < {{ scale }}.upper_{{ unit }}
{%- endmacro %}

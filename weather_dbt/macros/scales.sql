{# Joins a scale: the band whose lower limit the reading reaches and whose upper limit it stays under. #}
{% macro band_of(scale, reading, unit) -%}
    left join {{ ref(scale) }} as {{ scale }}
        on
            observations.{{ reading }} >= coalesce({{ scale }}.lower_{{ unit }}, '-infinity'::double)
            and observations.{{ reading }} < coalesce({{ scale }}.upper_{{ unit }}, 'infinity'::double)
{%- endmacro %}

{#
    Rolling windows over exactly the last so many hourly slots, the row's own hour included. `hour_number` counts hours,
    so a missing hour is a missing slot, never an older hour in its place.
#}
{% macro last_slots(hours) -%}
    over (partition by station_id order by hour_number range between {{ hours - 1 }} preceding and current row)
{%- endmacro %}

{# An aggregate of the last slots, null unless every one is there, then the number that was there. #}
{% macro window_of(aggregate, column, hours, name, unit) -%}
    case when count({{ column }}) {{ last_slots(hours) }} = {{ hours }}
        then round({{ aggregate }}({{ column }}) {{ last_slots(hours) }}, 2) end as {{ name }}_{{ hours }}h_{{ unit }},
    count({{ column }}) {{ last_slots(hours) }} as {{ name }}_{{ hours }}h_hours
{%- endmacro %}

{# The value exactly so many hours before; null when that hour or its value is not there. #}
{% macro hours_before(column, hours) -%}
    max({{ column }}) over (
        partition by station_id order by hour_number range between {{ hours }} preceding and {{ hours }} preceding
    )
{%- endmacro %}

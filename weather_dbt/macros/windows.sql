{#
    Rolling windows over exactly the last so many hourly slots, the row's own hour included. `hour_number` counts hours,
    so a missing hour is a missing slot, never an older hour in its place.
#}
{% macro last_slots(hours) -%}
    over (partition by station_id order by hour_number range between {{ hours - 1 }} preceding and current row)
{%- endmacro %}

{#
    An aggregate of the last slots, null unless every one is there, then the number that was there. Sums are made in
    decimals: in floating point they would depend on how DuckDB cuts the work, and an incremental build would round a
    tie one way and a full one the other.
#}
{% macro window_of(aggregate, column, hours, name, unit) -%}
    case when count({{ column }}) {{ last_slots(hours) }} = {{ hours }}
        then round(cast({{ aggregate }}({{ exact(column) }}) {{ last_slots(hours) }} as double), 2) end
        as {{ name }}_{{ hours }}h_{{ unit }},
    count({{ column }}) {{ last_slots(hours) }} as {{ name }}_{{ hours }}h_hours
{%- endmacro %}

{# A reading as an exact number; every reading has two decimals at most. #}
{% macro exact(column) -%}
    cast({{ column }} as decimal(18, 2))
{%- endmacro %}

{# The value exactly so many hours before; null when that hour or its value is not there. #}
{% macro hours_before(column, hours) -%}
    max({{ column }}) over (
        partition by station_id order by hour_number range between {{ hours }} preceding and {{ hours }} preceding
    )
{%- endmacro %}

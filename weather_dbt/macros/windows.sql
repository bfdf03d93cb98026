{#
    Rolling windows over the last `hours` hourly slots, including the row's own hour. `hour_number` counts hours, so a
    missing hour is a missing slot: an older hour never takes its place.
#}
{% macro last_slots(hours) -%}
    over (partition by station_id order by hour_number range between {{ hours - 1 }} preceding and current row)
{%- endmacro %}

{#
    An aggregate of the last slots, null unless all are present, and the number present. Sums use decimals: in floating
    point they depend on how DuckDB divides the work, and an incremental and a full build could round a tie differently.
#}
{% macro window_of(aggregate, column, hours, name, unit) -%}
    case when count({{ column }}) {{ last_slots(hours) }} = {{ hours }}
        then round(cast({{ aggregate }}({{ exact(column) }}) {{ last_slots(hours) }} as double), 2) end
        as {{ name }}_{{ hours }}h_{{ unit }},
    count({{ column }}) {{ last_slots(hours) }} as {{ name }}_{{ hours }}h_hours
{%- endmacro %}

{# A reading as an exact number. Every reading has at most two decimals. #}
{% macro exact(column) -%}
    cast({{ column }} as decimal(18, 2))
{%- endmacro %}

{# The value exactly `hours` hours before; null when that hour or its value is missing. #}
{% macro hours_before(column, hours) -%}
    max({{ column }}) over (
        partition by station_id order by hour_number range between {{ hours }} preceding and {{ hours }} preceding
    )
{%- endmacro %}

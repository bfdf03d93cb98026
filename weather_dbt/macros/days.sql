{#
    Météo-France's climatological days, in UTC. A row is for the hour that ends at `observed_at`, so the day's rain,
    06 to 06, is in the rows of 07 that day to 06 the day after.
#}

{# Rain and maximum temperature: 06 UTC to 06 UTC the day after, on the day it starts. #}
{% macro rain_date(observed_at) -%}
    cast({{ observed_at }} at time zone 'UTC' - interval 7 hours as date)
{%- endmacro %}

{# Minimum temperature: 18 UTC the day before to 18 UTC. #}
{% macro minimum_date(observed_at) -%}
    cast({{ observed_at }} at time zone 'UTC' + interval 5 hours as date)
{%- endmacro %}

{# Everything else: 00 to 24 UTC. #}
{% macro civil_date(observed_at) -%}
    cast({{ observed_at }} at time zone 'UTC' - interval 1 hour as date)
{%- endmacro %}

{# An aggregate of the day's 24 hours, in decimals as windows are, null unless every one is there; then how many were. #}
{% macro day_of(aggregate, column, name, unit, decimals=2, counted=none) -%}
    case when count({{ column }}) = 24 then round(cast({{ aggregate }}({{ exact(column) }}) as double), {{ decimals }}) end
        as {{ name }}_{{ unit }},
    count({{ column }}) as {{ counted or name }}_hours
{%- endmacro %}

{# True as soon as one hour shows it, false only when every hour is there, null while it is not known. #}
{% macro day_flag(condition, column) -%}
    case when {{ condition }} then true when count({{ column }}) = 24 then false end
{%- endmacro %}

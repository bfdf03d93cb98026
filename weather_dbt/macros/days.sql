{#
    Météo-France's climatological days. They are cut in FU, a fixed local time: UTC in France, UTC plus some hours
    overseas. A row is for the hour that ends at `observed_at`, so the day's rain, from 06 to 06, is in the rows
    from 07 that day to 06 the day after.
#}

{# Hours to add to UTC for the station's FU: 0 outside the overseas territories, null where it is not known. #}
{% macro utc_offset_of(station_id) -%}
    case
        when left({{ station_id }}, 2) not in ('97', '98') then 0
        else (
            select offsets.utc_offset_hours
            from {{ ref('utc_offsets') }} as offsets
            where offsets.station_prefix = left({{ station_id }}, 3)
        )
    end
{%- endmacro %}

{# The time in FU, without time zone. #}
{% macro local_time(observed_at, utc_offset) -%}
    ({{ observed_at }} at time zone 'UTC' + to_hours({{ utc_offset }}))
{%- endmacro %}

{# Rain and maximum temperature: from 06 to 06 FU, on the day it starts. #}
{% macro rain_date(observed_at, utc_offset) -%}
    cast({{ local_time(observed_at, utc_offset) }} - interval 7 hours as date)
{%- endmacro %}

{# Minimum temperature: from 18 FU the day before to 18 FU. #}
{% macro minimum_date(observed_at, utc_offset) -%}
    cast({{ local_time(observed_at, utc_offset) }} + interval 5 hours as date)
{%- endmacro %}

{# Everything else: from 00 to 24 FU. #}
{% macro civil_date(observed_at, utc_offset) -%}
    cast({{ local_time(observed_at, utc_offset) }} - interval 1 hour as date)
{%- endmacro %}

{#
    A day is final when its département has sent an hour 36 hours or more after the day's last one, 06 FU the day
    after: what had not come by then comes no more. The newest hour counts, not the time of loading: an old packet
    loaded today says nothing about the hours after it.
#}
{% macro is_day_final(observed_date, utc_offset, newest_hour) -%}
    coalesce({{ observed_date }} + interval 66 hours <= {{ local_time(newest_hour, utc_offset) }}, false)
{%- endmacro %}

{# An aggregate of the day's 24 hours, in decimals as windows are, null unless all are present; then their number. #}
{% macro day_of(aggregate, column, name, unit, decimals=2, counted=none) -%}
    case when count({{ column }}) = 24 then round(cast({{ aggregate }}({{ exact(column) }}) as double), {{ decimals }}) end
        as {{ name }}_{{ unit }},
    count({{ column }}) as {{ counted or name }}_hours
{%- endmacro %}

{# True as soon as one hour shows it, false only when every hour is present, null otherwise. #}
{% macro day_flag(condition, column) -%}
    case when {{ condition }} then true when count({{ column }}) = 24 then false end
{%- endmacro %}

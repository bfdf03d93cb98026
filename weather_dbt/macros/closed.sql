{#
    Closed months are in Parquet, not in the file (orchestration/closed_months/close_months.py). The models see only the
    recent months, so they cannot rebuild a row that needs closed hours. Late data for closed hours reopens their
    months before dbt runs. Two cases remain: a changed entry of the station list, and a day that becomes final when its
    département reports again after a long time.
#}

{# The registry of closed months; none until the first month is closed. #}
{% macro closed_months() -%}
    {%- if not execute -%} {{ return(none) }} {%- endif -%}
    {{ return(adapter.get_relation(this.database, 'meta', 'closed_months')) }}
{%- endmacro %}

{# Whether the file holds all rows that a change of this hour affects, and all hours that these rows need. #}
{% macro is_far_from_closed_months(hour) -%}
    {%- set registry = closed_months() -%}
    {%- if registry -%}
        not exists (
            select 1 from {{ registry }} as closed
            where closed.reopened_at is null and {{ hour }} between closed.news_from and closed.news_to
        )
    {%- else -%} true {%- endif -%}
{%- endmacro %}

{#
    Whether the file holds all hours of a day, from 18 FU the day before to 06 FU the day after. A day's margin on either
    side of the month covers every FU, from UTC-10 to UTC+12.
#}
{% macro has_all_hours_at_hand(day) -%}
    {%- set registry = closed_months() -%}
    {%- if registry -%}
        not exists (
            select 1 from {{ registry }} as closed
            where
                closed.reopened_at is null
                and {{ day }} between closed.month - 1 and cast(closed.month + interval 1 month as date)
        )
    {%- else -%} true {%- endif -%}
{%- endmacro %}

{# A full refresh of a model would lose its rows that need closed months. #}
{% macro refuse_to_forget_closed_months(mart) -%}
    {%- if closed_months() and not made_before(mart) -%}
        {%- if run_query('select count(*) from ' ~ closed_months() ~ ' where reopened_at is null').rows[0][0] > 0 -%}
            {%- do exceptions.raise_compiler_error(
                'this warehouse has closed months, and a full refresh would lose their days; nothing was changed:'
                ~ ' run `make rebuild`, which builds everything again from the landing zone'
            ) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#
    Copies `columns` from `stations` to the rows that this incremental build did not rebuild. It is needed when, since
    the last build, the list changed a station, or a reopened month brought back rows with old names.
#}
{% macro follow_station_list(stations, columns) -%}
    {%- if is_incremental() and closed_months() and _has_stale_stations() -%}
        update {{ this }} as made
        set {% for column in columns %}{{ column }} = listed.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
        from {{ stations }} as listed
        where
            made.station_id = listed.station_id
            and (
                {%- for column in columns %}
                made.{{ column }} is distinct from listed.{{ column }}{{ ' or' if not loop.last }}
                {%- endfor %}
            )
    {%- endif -%}
{%- endmacro %}

{% macro _has_stale_stations() -%}
    {{ return(run_query(
        'select exists (select 1 from ' ~ ref('int_stations') ~ ' where load_id > ' ~ built_load_id() ~ ')'
        ~ ' or exists (select 1 from ' ~ closed_months() ~ ' where reopened_at > ('
        ~ 'select max(built_at) from ' ~ adapter.get_relation(this.database, 'meta', 'builds') ~ ' where passed))'
    ).rows[0][0]) }}
{%- endmacro %}

{# Days that were not built again become final as all others do. After each incremental build. #}
{% macro settle_days() -%}
    {%- if is_incremental() and closed_months() and _has_days_left_behind() -%}
        update {{ this }} as made
        set is_final = true
        from (
            select
                department_code,
                max(last_observed_at) as newest_hour
            from {{ this }}
            group by department_code
        ) as reported
        where
            not made.is_final
            and reported.department_code = made.department_code
            and {{ is_day_final('made.observed_date', utc_offset_of('made.station_id'), 'reported.newest_hour') }}
    {%- endif -%}
{%- endmacro %}

{% macro _has_days_left_behind() -%}
    {{ return(run_query(
        'select exists (select 1 from ' ~ this ~ ' as daily where not daily.is_final and not ('
        ~ has_all_hours_at_hand('daily.observed_date') ~ '))'
    ).rows[0][0]) }}
{%- endmacro %}

{#
    Some columns of every station's days, to be added up by station: one row per day, one per station without days, and
    one per station and file of closed days (orchestration/closed_months/closed_stations.py).
#}
{% macro all_days(columns) -%}
    select {{ columns | join(', ') }} from {{ ref('daily_observations') }}
    union all
    select {{ columns | join(', ') }} from {{ ref('int_stations_without_days') }}
    {%- set closed = adapter.get_relation(this.database, 'meta', 'closed_stations') if execute -%}
    {%- if closed %}
    union all
    select {{ columns | join(', ') }}
    from {{ closed }}
    where file in (select registry.file from {{ closed_months() }} as registry where registry.reopened_at is null)
    {%- endif %}
{%- endmacro %}

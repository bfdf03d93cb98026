{#
    Months that left the file for Parquet (orchestration/closed_months/close_months.py): the models see the recent months only, so
    whatever needs closed hours to be made anew stays as it is. News of closed hours reopen their months before dbt
    runs; what is left is a station listed anew, and days whose département is asked again after long.
#}

{# The registry of closed months; none while no month was ever closed. #}
{% macro closed_months() -%}
    {%- if not execute -%} {{ return(none) }} {%- endif -%}
    {{ return(adapter.get_relation(this.database, 'meta', 'closed_months')) }}
{%- endmacro %}

{# Whether everything that an hour's news change, and everything that is made of, lies in the file. #}
{% macro is_far_from_closed_months(hour) -%}
    {%- set registry = closed_months() -%}
    {%- if registry -%}
        not exists (
            select 1 from {{ registry }} as closed
            where closed.reopened_at is null and {{ hour }} between closed.news_from and closed.news_to
        )
    {%- else -%} true {%- endif -%}
{%- endmacro %}

{# Whether all the hours that a day is made of, from 18 UTC the day before to 06 UTC the day after, lie in the file. #}
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

{# A model that is made anew as a whole would lose what it holds of closed months. #}
{% macro refuse_to_forget_closed_months(mart) -%}
    {%- if closed_months() and not made_before(mart) -%}
        {%- if run_query('select count(*) from ' ~ closed_months() ~ ' where reopened_at is null').rows[0][0] > 0 -%}
            {%- do exceptions.raise_compiler_error(
                'this warehouse has closed months, which a full refresh would leave out of its days:'
                ~ ' run `make rebuild`, which makes everything anew from the landing zone'
            ) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#
    What the station list says of a station, in rows that were not made anew when it was listed anew; `columns` are
    those taken from `stations`. After each incremental build that could have left any: since the one before, a
    station was listed anew, or a month was reopened whose rows still say what was known when it was closed.
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

{# Days that were not made anew become final by time as all others do. After each incremental build. #}
{% macro settle_days() -%}
    {%- if is_incremental() and closed_months() and _has_days_left_behind() -%}
        update {{ this }} as made
        set is_final = true
        where
            not made.is_final
            and made.observed_date + interval 66 hours <= (
                select max(loads.fetched_at) at time zone 'UTC'
                from {{ ref('stg_meta__loads') }} as loads
                where
                    loads.dataset <> 'liste-stations'
                    and loads.status <> 'failed'
                    and coalesce(loads.department_code, made.department_code) = made.department_code
            )
    {%- endif -%}
{%- endmacro %}

{% macro _has_days_left_behind() -%}
    {{ return(run_query(
        'select exists (select 1 from ' ~ this ~ ' as daily where not daily.is_final and not ('
        ~ has_all_hours_at_hand('daily.observed_date') ~ '))'
    ).rows[0][0]) }}
{%- endmacro %}

{#
    Some columns of every station's days, to be summed up by station: one row per day, and one per station and file of
    closed days (orchestration/closed_months/closed_stations.py).
#}
{% macro all_days(columns) -%}
    select {{ columns | join(', ') }} from {{ ref('daily_observations') }}
    {%- set closed = adapter.get_relation(this.database, 'meta', 'closed_stations') if execute -%}
    {%- if closed %}
    union all
    select {{ columns | join(', ') }}
    from {{ closed }}
    where file in (select registry.file from {{ closed_months() }} as registry where registry.reopened_at is null)
    {%- endif %}
{%- endmacro %}

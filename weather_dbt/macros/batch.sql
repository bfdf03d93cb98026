{#
    What a build must do again. A passed build contains every load up to meta.builds.last_load_id. Later loads change
    some hours. Each of these affects up to 24 hours after it: windows, sensors stuck for a day, changes over 24 hours.
    A failed or killed build does not move the mark, so the next build does its hours again.
#}

{# The newest load that the marts contain; 0 means build everything. #}
{% macro built_load_id() -%}
    {%- if not made_before('hourly_observations') -%} {{ return(0) }} {%- endif -%}
    {%- set builds = adapter.get_relation(this.database, 'meta', 'builds') -%}
    {%- if builds is none -%} {{ return(0) }} {%- endif -%}
    {{ return(run_query('select coalesce(max(last_load_id), 0) from meta.builds where passed').rows[0][0]) }}
{%- endmacro %}

{# A mart as the last build left it; none before the first build and in a full build. #}
{% macro made_before(mart) -%}
    {%- if not execute or flags.FULL_REFRESH -%} {{ return(none) }} {%- endif -%}
    {{ return(adapter.get_relation(this.database, 'marts', mart)) }}
{%- endmacro %}

{#
    The first and last hour that the batch reads, as a literal condition, so that DuckDB skips the row groups outside.
    It does not skip them for a join. The windows of an affected hour look back 24 hours.
#}
{% macro within_batch(column) -%}
    {%- set affected_hours = ref('int_affected_hours') -%} {# before any condition, so that dbt finds it when it parses #}
    {%- if not execute -%} {{ return('true') }} {%- endif -%}
    {%- set hours = run_query(
        "select strftime(min(observed_at) - to_hours(24), '%Y-%m-%d %H:%M:%SZ'),"
        ~ " strftime(max(observed_at), '%Y-%m-%d %H:%M:%SZ') from " ~ ref('int_affected_hours')
    ).rows[0] -%}
    {%- if hours[0] is none -%} {{ return('false') }} {%- endif -%}
    {{ return(column ~ " between timestamptz '" ~ hours[0] ~ "' and timestamptz '" ~ hours[1] ~ "'") }}
{%- endmacro %}

{# Deletes the affected hours of an incremental model: the appended rows replace them completely. #}
{% macro forget_affected_hours() -%}
    {%- set affected_hours = ref('int_affected_hours') -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
        where observed_at in (select observed_at from {{ affected_hours }})
    {%- endif -%}
{%- endmacro %}

{# The hours of the affected days as a literal condition: from 18 FU the day before to 06 FU the day after. #}
{% macro within_affected_days(column) -%}
    {%- set affected_days = ref('int_affected_days') -%}
    {%- if not execute -%} {{ return('true') }} {%- endif -%}
    {%- set hours = run_query(
        "select strftime(min(observed_date - to_hours(utc_offset_hours + 6)), '%Y-%m-%d %H:%M:%SZ'),"
        ~ " strftime(max(observed_date - to_hours(utc_offset_hours - 30)), '%Y-%m-%d %H:%M:%SZ') from " ~ affected_days
    ).rows[0] -%}
    {%- if hours[0] is none -%} {{ return('false') }} {%- endif -%}
    {{ return(column ~ " between timestamptz '" ~ hours[0] ~ "' and timestamptz '" ~ hours[1] ~ "'") }}
{%- endmacro %}

{# Deletes the affected days of an incremental model: the appended rows replace them completely. #}
{% macro forget_affected_days() -%}
    {%- set affected_days = ref('int_affected_days') -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
        where ({{ utc_offset_of('station_id') }}, observed_date) in (
            select (affected.utc_offset_hours, affected.observed_date) from {{ affected_days }} as affected
        )
    {%- endif -%}
{%- endmacro %}

{{ config(materialized='table') }}

{#
    Days to make again: those that an affected hour belongs to in any of the three ways a day is cut, and those that
    were provisional when they were last made, as time alone makes them final.
#}

{% set daily = adapter.get_relation(this.database, 'marts', 'daily_observations') if execute %}

with

days_of_affected_hours as (

    select distinct unnest([
        {{ rain_date('observed_at') }}, {{ minimum_date('observed_at') }}, {{ civil_date('observed_at') }}
    ]) as observed_date
    from {{ ref('int_affected_hours') }}

    {% if daily and not flags.FULL_REFRESH -%}
    union

    select distinct observed_date
    from {{ daily }}
    where not is_final
    {%- endif %}

)

select *
from days_of_affected_hours
order by observed_date

{{ config(materialized='table') }}

{#
    Days to make again: those that an affected hour belongs to in any of the three ways a day is cut, and those that
    were provisional when they were last made, as time alone makes them final.
#}

{% set daily = made_before('daily_observations') %}

with

days_of_affected_hours as (

    select {{ rain_date('observed_at') }} as observed_date
    from {{ ref('int_affected_hours') }}
    union
    select {{ minimum_date('observed_at') }}
    from {{ ref('int_affected_hours') }}
    union
    select {{ civil_date('observed_at') }}
    from {{ ref('int_affected_hours') }}

    {% if daily -%}
    union
    select daily.observed_date
    from {{ daily }} as daily
    where not daily.is_final and {{ has_all_hours_at_hand('daily.observed_date') }}
    {%- endif %}

)

select *
from days_of_affected_hours
order by observed_date

{{ config(materialized='table') }}

{#
    Days to build again: those that an affected hour belongs to in any of the three ways a day is cut, and those that
    were provisional in the last build, since newer hours make them final. Stations of one FU share their days.
#}

{% set daily = made_before('daily_observations') %}

with

utc_offsets as (

    select 0 as utc_offset_hours
    union
    select utc_offset_hours
    from {{ ref('utc_offsets') }}
    where utc_offset_hours is not null

),

affected_hours as (

    select
        affected.observed_at,
        utc_offsets.utc_offset_hours
    from {{ ref('int_affected_hours') }} as affected
    cross join utc_offsets

),

affected_days as (

    select
        utc_offset_hours,
        {{ rain_date('observed_at', 'utc_offset_hours') }} as observed_date
    from affected_hours
    union
    select
        utc_offset_hours,
        {{ minimum_date('observed_at', 'utc_offset_hours') }}
    from affected_hours
    union
    select
        utc_offset_hours,
        {{ civil_date('observed_at', 'utc_offset_hours') }}
    from affected_hours

    {% if daily -%}
    union
    select
        {{ utc_offset_of('daily.station_id') }},
        daily.observed_date
    from {{ daily }} as daily
    where not daily.is_final and {{ has_all_hours_at_hand('daily.observed_date') }}
    {%- endif %}

)

select *
from affected_days
order by utc_offset_hours, observed_date

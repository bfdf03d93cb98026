{{ config(materialized='table') }}

{#
    The observations that this build reads: those of the affected hours, and of the 24 hours before each for the
    windows. Readings outside their bounds are null here and have a finding.
#}

with

affected_hours as (

    select * from {{ ref('int_affected_hours') }}

),

hours_read as (

    select distinct affected_hours.observed_at - to_hours(cast(steps.step as integer)) as observed_at
    from affected_hours
    cross join range(0, 25) as steps (step)

),

observations as (

    select *
    from {{ staged('observations') }}
    where
        {{ within_batch('observed_at') }}
        and observed_at in (select hours_read.observed_at from hours_read)

),

bounded as (

    select
        station_id,
        observed_at,
        cast(epoch(observed_at) // 3600 as integer) as hour_number,
        observed_at in (select affected_hours.observed_at from affected_hours) as is_affected,
        -- An hour that was fetched before it ended was not measured.
        observed_at > version_seen_at + to_minutes(10) as is_future,
        latitude,
        longitude,
        {% for column, bounds in readings().items() -%}
        case when {{ column }} between {{ bounds[0] }} and {{ bounds[1] }} then {{ column }} end
            as {{ column }},
        {% endfor -%}
        is_trace,
        list_concat(unreadable, {{ findings_that_hold(out_of_bounds_findings()) }}) as findings,
        source,
        first_seen_at,
        version_seen_at,
        revised_at
    from observations

)

select * from bounded
order by station_id, observed_at

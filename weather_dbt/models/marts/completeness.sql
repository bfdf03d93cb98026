{{ config(materialized='view') }}

{# Made when it is asked for: silent days have no row anywhere to count. #}

with

stations as (

    select
        *,
        max(last_observed_at) over (partition by department_code) as department_last_observed_at
    from {{ ref('stations') }}
    where observed_hours > 0

),

days as (

    select
        *,
        unnest(generate_series(
            {{ civil_date('first_observed_at') }}, {{ civil_date('department_last_observed_at') }}, interval 1 day
        )) as day_start
    from stations

),

expected as (

    select
        station_id,
        station_name,
        department_code,
        cast(day_start as date) as observed_date,
        cast(date_diff(
            'hour',
            greatest(day_start, first_observed_at at time zone 'UTC' - interval 1 hour),
            least(day_start + interval 1 day, department_last_observed_at at time zone 'UTC')
        ) as integer) as expected_hours
    from days

)

select
    expected.station_id,
    expected.station_name,
    expected.department_code,
    expected.observed_date,
    expected.expected_hours,
    cast(coalesce(daily.present_hours, 0) as integer) as present_hours
from expected
left join {{ ref('daily_observations') }} as daily
    on expected.station_id = daily.station_id and expected.observed_date = daily.observed_date

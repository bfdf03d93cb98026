{{ config(materialized='view') }}

{# A view: days without data have no row anywhere, so they are generated when someone reads. #}

with

stations as (

    select
        *,
        {{ utc_offset_of('station_id') }} as utc_offset_hours,
        max(last_observed_at) over (partition by department_code) as department_last_observed_at
    from {{ ref('stations') }}
    where observed_hours > 0

),

local as (

    select
        *,
        {{ local_time('first_observed_at', 'utc_offset_hours') }} - interval 1 hour as first_hour_start,
        {{ local_time('department_last_observed_at', 'utc_offset_hours') }} as last_hour_end
    from stations
    where utc_offset_hours is not null

),

days as (

    select
        *,
        unnest(generate_series(
            cast(first_hour_start as date), cast(last_hour_end - interval 1 hour as date), interval 1 day
        )) as day_start
    from local

),

expected as (

    select
        station_id,
        station_name,
        department_code,
        cast(day_start as date) as observed_date,
        cast(date_diff(
            'hour',
            greatest(day_start, first_hour_start),
            least(day_start + interval 1 day, last_hour_end)
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

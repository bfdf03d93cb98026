{{ config(materialized='incremental', incremental_strategy='append', pre_hook='{{ forget_affected_hours() }}') }}

with

observations as (

    select * from {{ ref('int_observations_cleaned') }}

),

batch as (

    select * from {{ ref('int_batch_observations') }}

),

places as (

    select * from {{ ref('int_stations') }}

),

from_the_future as (

    select
        station_id,
        observed_at,
        'observed_at' as field,
        strftime(version_seen_at, '%Y-%m-%dT%H:%M:%SZ') as value,
        'hour_from_the_future' as rule,
        'impossible' as severity
    from batch
    where is_future and is_affected

),

within_rows as (

    select
        station_id,
        observed_at,
        unnest(findings, recursive := true) -- noqa: AL03
    from observations
    where is_affected and len(findings) > 0

),

over_hours as (

    select
        station_id,
        observed_at,
        is_affected,
        {{ findings_that_hold(stuck_findings() + jump_findings()) }} as findings
    from observations

),

within_stations as (

    select
        station_id,
        observed_at,
        unnest(findings, recursive := true) -- noqa: AL03
    from over_hours
    where is_affected and len(findings) > 0

),

neighbours as (

    select
        places.station_id,
        others.station_id as neighbour_id
    from places
    inner join places as others
        on
            places.station_id <> others.station_id
            and abs(places.altitude_m - others.altitude_m) <= {{ var('neighbour_altitude_m') }}
            -- 0.6 degrees are 67 km: DuckDB compares latitudes before it computes distances.
            and others.latitude between places.latitude - 0.6 and places.latitude + 0.6
    where
        {{ distance_km('places.latitude', 'places.longitude', 'others.latitude', 'others.longitude') }}
        <= {{ var('neighbour_distance_km') }}

),

far_from_neighbours as (

    select
        observations.station_id,
        observations.observed_at,
        'temperature_c' as field,
        cast(any_value(observations.temperature_c) as varchar) as value,
        'far_from_neighbours' as rule,
        'suspicious' as severity
    from observations
    inner join neighbours on observations.station_id = neighbours.station_id
    inner join observations as others
        on neighbours.neighbour_id = others.station_id and observations.observed_at = others.observed_at
    where observations.is_affected and observations.temperature_c is not null and others.temperature_c is not null
    group by observations.station_id, observations.observed_at
    having
        count(*) >= {{ var('neighbours_needed') }}
        and abs(any_value(observations.temperature_c) - median(others.temperature_c))
        > {{ var('neighbour_difference_c') }}

),

unioned as (

    select * from from_the_future
    union all by name
    select * from within_rows
    union all by name
    select * from within_stations
    union all by name
    select * from far_from_neighbours

)

select
    station_id,
    observed_at,
    field,
    value,
    rule,
    severity
from unioned
order by observed_at, station_id, field, rule

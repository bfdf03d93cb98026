{{ config(materialized='table') }}

{# Findings about stations, not hours: moved, wrongly placed, replaced by another id, or without a known FU. #}

with

versions as (

    select
        station_id,
        latitude,
        longitude,
        altitude_m,
        version,
        version_seen_at
    from {{ staged('station_versions') }}

),

stations as (

    select * from {{ ref('stations') }}

),

days as (

    {{ all_days(['station_id', 'latitude', 'longitude', 'last_observed_at']) }}

),

-- The position of each station in its newest day's rows, which may differ from the list.
observed as (

    select
        station_id,
        max(last_observed_at) as last_observed_at,
        arg_max(latitude, last_observed_at) as latitude,
        arg_max(longitude, last_observed_at) as longitude
    from days
    group by station_id

),

moves as (

    select
        station_id,
        version_seen_at as observed_at,
        {{ distance_km(
            'lag(latitude) over by_version', 'lag(longitude) over by_version', 'latitude', 'longitude'
        ) }} as moved_km,
        altitude_m - lag(altitude_m) over by_version as moved_up_m
    from versions
    window by_version as (partition by station_id order by version)

),

moved_in_list as (

    select
        station_id,
        observed_at,
        'position' as field,
        printf('%.2f km, %+.0f m', moved_km, moved_up_m) as value,
        'station_moved' as rule,
        'suspicious' as severity
    from moves
    where moved_km > 0.5 or abs(moved_up_m) > 20

),

placed_elsewhere as (

    select
        listed.station_id,
        observed.last_observed_at as observed_at,
        'position' as field,
        printf('%.2f km', {{ distance_km(
            'listed.latitude', 'listed.longitude', 'observed.latitude', 'observed.longitude'
        ) }}) as value,
        'placed_elsewhere_than_listed' as rule,
        'suspicious' as severity
    from {{ ref('int_stations') }} as listed
    inner join observed on listed.station_id = observed.station_id
    where {{ distance_km(
        'listed.latitude', 'listed.longitude', 'observed.latitude', 'observed.longitude'
    ) }} > 1

),

-- The middle of a département's stations. A median: a few wrong coordinates do not move it far.
centres as (

    select
        department_code,
        median(latitude) as latitude,
        median(longitude) as longitude
    from stations
    group by department_code

),

outside_department as (

    select
        stations.station_id,
        stations.last_observed_at as observed_at,
        'position' as field,
        printf('%.4f, %.4f', stations.latitude, stations.longitude) as value,
        'outside_department' as rule,
        'suspicious' as severity
    from stations
    inner join centres on stations.department_code = centres.department_code
    where
        -- The southern and antarctic territories lie in two oceans and have no middle.
        stations.department_code <> '984'
        and {{ distance_km('centres.latitude', 'centres.longitude', 'stations.latitude', 'stations.longitude') }}
        > case
            when length(stations.department_code) > 2 then {{ var('overseas_reach_km') }}
            else {{ var('department_reach_km') }}
        end

),

-- A station that stopped reporting, and another at the same place that started within a month after it.
id_changed as (

    select
        former.station_id,
        former.last_observed_at as observed_at,
        'station_id' as field,
        later.station_id as value,
        'station_id_changed' as rule,
        'suspicious' as severity
    from stations as former
    inner join stations as later
        on
            former.department_code = later.department_code
            and former.station_id <> later.station_id
            and former.last_observed_at < later.first_observed_at
            and former.last_observed_at + to_days(30) >= later.first_observed_at
    where
        former.silent_since is not null
        and {{ distance_km('former.latitude', 'former.longitude', 'later.latitude', 'later.longitude') }} <= 1

),

utc_offset_unknown as (

    select
        station_id,
        last_observed_at as observed_at,
        'utc_offset_hours' as field,
        cast(null as varchar) as value,
        'utc_offset_unknown' as rule,
        'suspicious' as severity
    from stations
    where last_observed_at is not null and {{ utc_offset_of('station_id') }} is null

),

unioned as (

    select * from moved_in_list
    union all by name
    select * from placed_elsewhere
    union all by name
    select * from outside_department
    union all by name
    select * from id_changed
    union all by name
    select * from utc_offset_unknown

)

select * from unioned
order by station_id, rule

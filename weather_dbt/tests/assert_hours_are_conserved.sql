-- Every hour of the batch in raw is in the mart exactly once, unless it is from the future. Returns one row per
-- station and hour that is missing or repeated.
{% set is_in_batch = within_batch('observed_at') %}

with

raw_hours as (

    select
        station_id,
        observed_at,
        bool_and(is_versioned_once) as is_versioned_once
    from (
        select
            station_id,
            observed_at,
            source,
            count(distinct version) = max(version) and count(*) = max(version) as is_versioned_once
        from {{ staged('observation_versions') }}
        where {{ is_in_batch }}
        group by all
    ) as versions
    group by all

),

mart_hours as (

    select
        station_id,
        observed_at,
        count(*) as times
    from {{ ref('hourly_observations') }}
    where {{ is_in_batch }}
    group by all

),

future_hours as (

    select
        station_id,
        observed_at
    from {{ ref('int_hourly_findings') }}
    where rule = 'hour_from_the_future' and {{ is_in_batch }}

)

select
    station_id,
    observed_at,
    raw_hours.is_versioned_once,
    mart_hours.times
from raw_hours
full outer join mart_hours using (station_id, observed_at)
left join future_hours using (station_id, observed_at)
where
    raw_hours.is_versioned_once is distinct from true
    or coalesce(mart_hours.times, 0) <> case when future_hours.station_id is null then 1 else 0 end

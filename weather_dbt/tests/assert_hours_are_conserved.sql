-- Every keyed row that reached raw is in the mart exactly once: none lost on the way, none doubled.
-- One row per station and hour that is missing or repeated, with how often it stands on each side.
with

raw_hours as (

    select
        geo_id_insee as station_id,
        observed_at,
        count(*) filter (version = 1) as in_raw
    from {{ source('raw', 'observations') }}
    group by all

),

mart_hours as (

    select
        station_id,
        observed_at,
        count(*) as in_mart
    from {{ ref('hourly_observations') }}
    group by all

)

select
    station_id,
    observed_at,
    in_raw,
    in_mart
from raw_hours
full outer join mart_hours using (station_id, observed_at)
where in_raw is distinct from 1 or in_mart is distinct from 1

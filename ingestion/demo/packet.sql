-- What the service has received of `weather` at asked.known_at (UTC), with the quirks of real transmissions:
-- each at its real rate, each a pure function of (station, hour). asked.stamp_shift is 1 or 0: the technical
-- stamps of one row differ between the endpoints.
with numbered as (

    select
        *,
        geo_id_insee::integer as station,
        epoch_us(validity_time) // 3600000000 as hour
    from weather

),

sines as (

    select
        *,
        -- a block of six hours that a station may send at once, and a week in which it may be silent
        (hour + station % 6) // 6 as block,
        sin(station * 0.0211 + hour * 4.1414) * 43758.5453 as x1,
        sin(station * 0.0173 + (hour + station % 6) // 6 * 2.3321) * 43758.5453 as x2,
        sin(station * 0.0131 + (hour + station % 168) // 168 * 1.7713) * 43758.5453 as x3
    from numbered

),

noises as (

    select
        *,
        x1 - floor(x1) as lateness,
        x1 * 37 - floor(x1 * 37) as correction,
        x1 * 1409 - floor(x1 * 1409) as scatter,
        x2 - floor(x2) as outage,
        x3 - floor(x3) as silence
    from sines

),

delays as (

    select
        *,
        case
            when outage < 0.005 then 60 * ((block + 1) * 6 - station % 6 - hour) + 17
            when lateness < 0.0005 then -19
            when lateness < 0.930 then 2.2 + 3.8 * lateness
            when lateness < 0.966 then 6 + 50 * pow((lateness - 0.930) / 0.036, 6)
            when lateness < 0.993 then 60 + 125 * (lateness - 0.966) / 0.027
            else 185 * exp(347 * (lateness - 0.993))
        end as minutes_late,
        correction < 0.008 as is_corrected
    from noises
    where silence >= 0.04

),

arrivals as (

    select
        *,
        validity_time + to_seconds((60 * minutes_late)::bigint) as arrived_at
    from delays

),

received as (

    select
        *,
        is_corrected
        and known_at < arrived_at + to_minutes((60 + 420 * scatter)::bigint) as is_first_version
    from arrivals
    cross join asked
    where arrived_at <= known_at and validity_time + interval 10 minute <= known_at

)

select
    * replace (
        case when is_first_version then (round(t * 100) + 10 * ceil(25 * scatter)) / 100 else t end as t,
        case when is_first_version and rr1 > 0 then 0.0 else rr1 end as rr1
    ), -- noqa: AL03
    greatest(validity_time + to_seconds(605 + hour % 6), arrived_at) as reference_time,
    arrived_at - to_seconds(stamp_shift * (1 + (59 * scatter)::bigint)) as insert_time
from received
-- a few rows are sent twice
cross join lateral unnest(range(case when scatter > 0.9988 then 2 else 1 end)) as copies (copy)
order by geo_id_insee asc, validity_time desc

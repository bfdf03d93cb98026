-- The ten six-minute rows of each hour of `weather`, as known at asked.known_at (UTC). They come by another way than
-- hourly rows: neither late nor corrected, and missing only while a station is silent. An hour's sums and its highest
-- gust are those of its ten rows, and its other values those of the last one. They tell no trace of rain.
with numbered as (

    select
        *,
        geo_id_insee::integer as station,
        epoch_us(validity_time) // 3600000000 as hour
    from weather

),

noises as (

    select
        *,
        sin(station * 0.0131 + (hour + station % 168) // 168 * 1.7713) * 43758.5453 as x3,
        x3 - floor(x3) as silence
    from numbered

),

spread as (

    select
        noises.* exclude (validity_time),
        steps.step,
        validity_time - to_minutes(6 * (9 - steps.step)::integer) as validity_time
    from noises
    cross join range(10) as steps (step)
    where silence >= 0.04

)

select
    lat, lon, geo_id_insee,
    validity_time + interval 5 second as reference_time,
    validity_time + interval 90 second as insert_time,
    validity_time,
    t, td, u, dd, ff,
    ddraf as ddraf10,
    case when step = 5 then raf else round(raf * 0.7, 1) end as raf10,
    (greatest(round(rr1 * 10), 0) * (step + 1) // 10 - greatest(round(rr1 * 10), 0) * step // 10) / 10 as rr_per,
    t_10, t_20, t_50, t_100, vv, etat_sol, sss,
    (insolh * (step + 1) // 10 - insolh * step // 10) as insolh,
    (ray_glo01 * (step + 1) // 10 - ray_glo01 * step // 10) as ray_glo01,
    pres, pmer
from spread
cross join asked
where validity_time + interval 2 minute <= known_at
order by geo_id_insee asc, validity_time desc

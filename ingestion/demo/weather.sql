-- The demo's weather: one row per (station, hour), a pure function of both, in upstream's units.
-- Only portable arithmetic: DuckDB's hash() and random() may change between versions. Travelling waves
-- are split by sin(a - b) = sin a cos b - cos a sin b, so that a row costs multiplications, not sines.
-- Reads `stations` (the demo's, or some of them) and `asked`: one row, its hours counted from 1970.
with hours as (

    select
        hour,
        make_timestamp(hour * 3600000000) as validity_time,
        hour * 0.000716783 as year_angle,
        (hour - 12) % 24 * 0.2617994 as noon_angle,
        -- the slow inner sine makes the fronts arrive irregularly
        hour * 0.047600 + 1.7 * sin(hour * 0.00731) as b1,
        hour * 0.084453 + 1.3 * sin(hour * 0.01127 + 1) as b2,
        hour * 0.023800 + 1.1 * sin(hour * 0.00389 + 2) as b3,
        hour * 0.202683 + 2.1 * sin(hour * 0.01733 + 3) as b4,
        hour * 0.007076 + 0.9 * sin(hour * 0.00173 + 4) as b5
    from (select unnest(range(first_hour, last_hour + 1)) as hour from asked) as counted

),

hour_terms as (

    select
        hour,
        validity_time,
        -cos(year_angle - 0.33) as season,
        -cos(year_angle - 0.47) as season_10,
        -cos(year_angle - 0.55) as season_20,
        -cos(year_angle - 0.75) as season_50,
        -cos(year_angle - 1.05) as season_100,
        sin(-0.40928 * cos(year_angle + 0.1721)) as sin_declination,
        cos(-0.40928 * cos(year_angle + 0.1721)) as cos_declination,
        cos(noon_angle) as cos_hour,
        sin(noon_angle) as sin_hour,
        -- sun over the middle of the hour that ends now
        cos(noon_angle - 0.1309) as cos_mid,
        sin(noon_angle - 0.1309) as sin_mid,
        sin(b1) as sb1,
        cos(b1) as cb1,
        sin(b2) as sb2,
        cos(b2) as cb2,
        sin(b3) as sb3,
        cos(b3) as cb3,
        sin(b4) as sb4,
        cos(b4) as cb4,
        sin(b5) as sb5,
        cos(b5) as cb5
    from hours

),

station_seeds as (

    select
        *,
        radians(latitude) as phi,
        radians(longitude) as meridian,
        abs(latitude) < 25 as is_tropical,
        sin(id_station::integer * 0.0129898) * 43758.5453 as x1,
        sin(id_station::integer * 0.0078233 + 1.1) * 43758.5453 as x2,
        sin(id_station::integer * 0.0037719 + 2.3) * 43758.5453 as x3
    from stations

),

station_terms as (

    select
        id_station,
        latitude,
        longitude,
        altitude,
        is_tropical,
        x1 - floor(x1) as seed,
        x2 - floor(x2) as seed_2,
        x3 - floor(x3) as seed_3,
        pack = 'RADOME' as is_radome,
        id_omm is not null as is_synoptic,
        sin(phi) as sin_phi,
        cos(phi) as cos_phi,
        sin(meridian) as sin_meridian,
        cos(meridian) as cos_meridian,
        0.157 * longitude + 0.05 * latitude as a1,
        0.255 * longitude - 0.14 * latitude as a2,
        0.105 * longitude + 0.12 * latitude as a3,
        0.620 * longitude + 0.31 * latitude as a4,
        0.078 * longitude - 0.03 * latitude as a5,
        28.0
        - 0.0098 * greatest(0, abs(latitude) - 8) * greatest(0, abs(latitude) - 8)
        - 0.006 * altitude
        - case when id_station[:3] in ('975', '984') then 7 else 0 end as mean_temperature,
        case when latitude < 0 then -1 else 1 end * case
            when is_tropical then 0.08 * abs(latitude)
            when id_station[:3] = '984' then 3.0
            when id_station[:3] = '975' then 9
            else 6.3 + 0.32 * (longitude + 4.5)
        end as season_range,
        case when is_tropical then 0.25 else 1.0 end as storminess,
        case
            when is_tropical then 0
            else 0.012 * (abs(latitude) - 46) - 0.004 * longitude + 0.00003 * least(altitude, 2000)
        end as dampness
    from station_seeds

),

station_waves as (

    select
        *,
        sin(a1) as sa1,
        cos(a1) as ca1,
        sin(a2) as sa2,
        cos(a2) as ca2,
        sin(a3) as sa3,
        cos(a3) as ca3,
        sin(a4) as sa4,
        cos(a4) as ca4,
        sin(a5) as sa5,
        cos(a5) as ca5,
        (0.7 + 0.6 * seed_2) * case when is_tropical then 3.2 else 5.4 end as day_range,
        0.5 + seed_3 * 0.7 + least(altitude, 2500) * 0.0003 as exposure,
        0.03 + 0.03 * seed_3 + 0.00007 * altitude as snow_rate,
        seed < 0.977 as has_temperature,
        seed_3 < 0.969 as has_rain,
        is_radome or seed_2 < 0.10 as has_wind,
        is_radome or seed_3 < 0.09 as has_humidity,
        is_synoptic and seed_2 < 0.85 as has_pressure,
        (is_synoptic and seed_2 < 0.62) or id_station = '09289001' as has_visibility,
        (is_synoptic and seed_2 < 0.40) or id_station = '09289001' as has_cloud,
        (is_synoptic and seed_2 < 0.50) or id_station = '09289001' as has_soil,
        (is_synoptic and seed_2 < 0.32) or id_station = '09289001' as has_ground,
        (is_synoptic and seed_2 < 0.70) or (is_radome and seed_3 < 0.04) as has_sun,
        (is_synoptic and seed_2 < 0.62) or (altitude > 900 and seed_2 < 0.40)
        or altitude > 2000 as has_snow
    from station_terms

),

fields as (

    select
        s.* exclude (a1, a2, a3, a4, a5),
        h.* exclude (sb1, cb1, sb2, cb2, sb3, cb3, sb4, cb4, sb5, cb5),
        sa1 * cb1 - ca1 * sb1 as s1,
        ca1 * cb1 + sa1 * sb1 as c1,
        sa2 * cb2 - ca2 * sb2 as s2,
        ca2 * cb2 + sa2 * sb2 as c2,
        sa3 * cb3 - ca3 * sb3 as s3,
        ca3 * cb3 + sa3 * sb3 as c3,
        sa4 * cb4 - ca4 * sb4 as s4,
        sa5 * cb5 - ca5 * sb5 as s5,
        -- hour angle of the sun at the station: local solar time without the equation of time
        cos_hour * cos_meridian - sin_hour * sin_meridian as cos_local,
        sin_hour * cos_meridian + cos_hour * sin_meridian as sin_local,
        sin_phi * sin_declination
        + cos_phi * cos_declination * (cos_mid * cos_meridian - sin_mid * sin_meridian) as sun_height,
        sin(seed * 6283.1853 + hour * 7.8233) * 43758.5453 as y1,
        sin(seed_2 * 6283.1853 + hour * 3.7719) * 43758.5453 as y2
    from station_waves as s
    cross join hour_terms as h

),

noises as (

    select
        *,
        y1 - floor(y1) as noise_1,
        y2 - floor(y2) as noise_2,
        (y2 - floor(y2)) * (y2 - floor(y2)) as burst,
        y1 * 37 - floor(y1 * 37) as noise_3,
        y2 * 37 - floor(y2 * 37) as noise_4,
        y1 * 1409 - floor(y1 * 1409) as noise_5,
        y2 * 1409 - floor(y2 * 1409) as noise_6,
        0.45 * s1 + 0.30 * s2 + 0.35 * s3 + 0.25 * s5 as pressure_wave,
        -- the day's warmth peaks three hours after local noon
        0.70711 * (cos_local + sin_local) as warmth,
        0.70711 * (cos_local - sin_local) as warming,
        -- components of the pressure gradient, which drives the wind
        1.6 * c1 + 1.9 * c2 + 0.8 * c3 as gradient_x,
        0.5 * c1 - 1.1 * c2 + 1.0 * c3 as gradient_y
    from fields

),

fronts as (

    select
        *,
        case
            when is_tropical then 0.55 * s4 - 0.45 * s2 + 0.30 * warmth + 0.12 * season_range * season
            else 0.55 * s4 - 0.75 * pressure_wave + 0.30 * c1
        end + dampness + 0.22 * (noise_1 - 0.5) as wetness
    from noises

),

skies as (

    select
        *,
        case
            when wetness > 0.72
                then greatest(1, floor(5 * (wetness - 0.72) * (1 + 26 * burst * burst * burst * burst)))
            else 0
        end as rain_fifths,
        least(1.0, greatest(0.0, 0.48 + 0.62 * wetness + 0.3 * (noise_3 - 0.5))) as cloud,
        -- the slow mean that decides whether snow lies: no day, no front
        mean_temperature + season_range * season_50 + 2.2 * s5 + 1.2 * s3 as lasting_temperature
    from fronts

),

airs as (

    select
        *,
        -- tenths of a degree Celsius, whole, so that every comparison below is exact
        round(
            10 * (
                mean_temperature
                + season_range * season
                + day_range * (1.15 - 0.85 * cloud) * warmth
                + storminess * (2.6 * c1 + 1.8 * s3)
                + 0.8 * (seed_3 - 0.5)
                + 0.5 * (noise_4 - 0.5)
            )
        ) as t10,
        round(10 * day_range * (1.15 - 0.85 * cloud) * 0.2618 * warming) as t10_change,
        round(
            least(
                100,
                greatest(
                    12,
                    case when rain_fifths > 0 then 88 when is_tropical then 78 else 74 end
                    - 15 * (1.1 - 0.7 * cloud) * warmth
                    + case when rain_fifths > 0 then 4 else 17 * wetness end
                    + 10 * (noise_5 - 0.4)
                )
            )
        ) as u_whole,
        greatest(
            0,
            round(
                10 * exposure * (0.55 + 0.8 * noise_6) * (
                    0.2
                    + storminess * 1.5 * sqrt(gradient_x * gradient_x + gradient_y * gradient_y)
                    + case when is_tropical then 2.5 else 0 end
                    + 0.9 * warmth
                )
            )
        ) as ff10_raw,
        round(100 * greatest(0, 0.8 - lasting_temperature) * snow_rate) as snow_cm
    from skies

),

states as (

    select
        *,
        case when ff10_raw < 4 then 0 else ff10_raw end as ff10,
        u_whole >= 96 and ff10_raw < 15 and rain_fifths = 0 as is_foggy,
        round(10 * (1016.5 + 13 * storminess * pressure_wave)) * 10 as pmer_pa,
        -- a trace is written as -0.1: a few hours just short of rain
        rain_fifths = 0 and wetness > 0.50 and noise_5 < 0.16 as is_trace
    from airs

),

winds as (

    select
        *,
        ff10 + floor(noise_5 * (6 + 0.15 * ff10)) + case when ff10 = 0 then 3 else 0 end as fxy10,
        case
            when not has_wind then null
            when is_tropical then 10 * round(11 + 5 * (noise_4 - 0.5))
            else 10 * (1 + (round(degrees(atan2(gradient_y, gradient_x)) / 10 + 54 + 4 * noise_4) + 36) % 36)
        end as wind_from
    from states

)

select
    latitude as lat,
    longitude as lon,
    id_station as geo_id_insee,
    validity_time,
    case when has_temperature and noise_1 >= 0.003 then (t10 * 10 + 27315) / 100 end as t,
    case
        when has_temperature and has_humidity and noise_1 >= 0.005
            then (
                10 * least(
                    t10,
                    round(
                        2431.2 / (17.62 / (ln(u_whole / 100) + 1.762 * t10 / (243.12 + 0.1 * t10)) - 1)
                    )
                )
                + 27315
            ) / 100
    end as td,
    case
        when has_temperature and noise_1 >= 0.008
            then (10 * (t10 + greatest(0, -t10_change) + floor(4 * noise_4)) + 27315) / 100
    end as tx,
    case
        when has_temperature and noise_1 >= 0.008
            then (10 * (t10 - greatest(0, t10_change) - floor(4 * noise_6)) + 27315) / 100
    end as tn,
    case when has_humidity and noise_1 >= 0.005 then u_whole end as u,
    case when has_humidity and noise_1 >= 0.010 then least(100, u_whole + floor(7 * noise_4)) end as ux,
    case when has_humidity and noise_1 >= 0.010 then greatest(4, u_whole - floor(7 * noise_6)) end as un,
    case when has_wind and noise_2 >= 0.004 then case when ff10 = 0 then 0 else wind_from end end as dd,
    case when has_wind and noise_2 >= 0.004 then ff10 / 10 end as ff,
    case
        when has_wind and noise_2 >= 0.010 then 10 * (1 + (wind_from / 10 + floor(3 * noise_6) + 34) % 36)
    end as dxy,
    case when has_wind and noise_2 >= 0.010 then fxy10 / 10 end as fxy,
    case
        when has_wind and noise_2 >= 0.007 then 10 * (1 + (wind_from / 10 + floor(3 * noise_5) + 34) % 36)
    end as ddraf,
    case
        when has_wind and noise_2 >= 0.007 then (fxy10 + ceil(fxy10 * (0.3 + 0.6 * noise_3))) / 10
    end as raf,
    case
        when has_rain and (noise_2 < 0.994 or rain_fifths > 0)
            then case when is_trace then -0.1 else rain_fifths * 2 / 10 end
    end as rr1,
    case
        when has_soil
            then (
                10 * round(
                    10 * greatest(
                        -4, mean_temperature + 1 + 0.95 * season_range * season_10
                        + 0.40 * day_range * (0.50 * cos_local + 0.87 * sin_local)
                    )
                )
                + 27315
            ) / 100
    end as t_10,
    case
        when has_soil and seed_2 < 0.46
            then (
                10 * round(
                    10 * greatest(
                        -2, mean_temperature + 1 + 0.90 * season_range * season_20
                        + 0.18 * day_range * (0.10 * cos_local + 0.99 * sin_local)
                    )
                )
                + 27315
            ) / 100
    end as t_20,
    case
        when has_soil and seed_2 < 0.45
            then (
                10 * round(10 * greatest(0, mean_temperature + 1 + 0.78 * season_range * season_50)) + 27315
            ) / 100
    end as t_50,
    case
        when has_soil and seed_2 < 0.38
            then (
                10 * round(10 * greatest(1, mean_temperature + 1 + 0.62 * season_range * season_100)) + 27315
            ) / 100
    end as t_100,
    case
        when not has_visibility then null
        when is_foggy then 10 * round(6 + 90 * noise_5)
        when rain_fifths > 0 then 10 * round(300 + 1500 * noise_5 / (1 + 0.2 * rain_fifths))
        else 10 * round(least(6000, 600 + (100 - u_whole) * (60 + 90 * noise_5)))
    end as vv,
    case
        when not has_ground then null
        when lasting_temperature < 0.8 and t10 < 0 then 4
        when rain_fifths > 3 then 2
        when rain_fifths > 0 or wetness > 0.45 then 1
        else 0
    end::double as etat_sol,
    case when has_snow then snow_cm / 100 end as sss,
    case
        when not has_cloud then null
        when is_foggy and noise_6 < 0.5 then 9
        when rain_fifths > 0 then greatest(6, round(8 * cloud))
        else round(8 * cloud)
    end as n,
    case
        when not has_sun then null
        when sun_height < 0.05 or is_foggy then 0
        else round(60 * least(1, greatest(0, 1.15 - 1.1 * cloud - case when rain_fifths > 0 then 0.3 else 0 end)))
    end as insolh,
    case
        when has_sun
            then 1000 * round(3500 * greatest(0, sun_height) * (1 - 0.75 * cloud * cloud * cloud))
    end as ray_glo01,
    case
        when has_pressure
            then 10 * round(
                    pmer_pa / 10
                    * pow(1 - 0.0065 * altitude / (t10 / 10 + 273.15 + 0.0065 * altitude), 5.257)
                )
    end as pres,
    case when has_pressure and altitude <= 750 then pmer_pa end as pmer
from winds

select
    "Id_station" as station_id,
    "Id_omm" as wmo_id,
    "Nom_usuel" as station_name,
    {{ degrees('"Latitude"', 90) }} as latitude,
    {{ degrees('"Longitude"', 180) }} as longitude,
    {{ number('"Altitude"') }} as altitude_m,
    -- Python knows no year beyond 9999.
    case
        when try_cast("Date_ouverture" as date) between date '1700-01-01' and date '2199-12-31'
            then try_cast("Date_ouverture" as date)
    end as opened_date,
    "Pack" as pack,
    has_left,
    load_id,
    version,
    first_seen_at,
    version_seen_at
from {{ source('meteofrance', 'stations') }}

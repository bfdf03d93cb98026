select
    "Id_station" as station_id,
    "Id_omm" as wmo_id,
    "Nom_usuel" as station_name,
    {{ number('"Latitude"') }} as latitude,
    {{ number('"Longitude"') }} as longitude,
    {{ number('"Altitude"') }} as altitude_m,
    try_cast("Date_ouverture" as date) as opened_date,
    "Pack" as pack,
    has_left,
    load_id,
    version,
    first_seen_at,
    version_seen_at
from {{ source('meteofrance', 'stations') }}

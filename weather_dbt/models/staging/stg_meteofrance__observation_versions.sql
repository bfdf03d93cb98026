select
    geo_id_insee as station_id,
    observed_at,
    version,
    load_id
from {{ source('meteofrance', 'observations') }}

select
    geo_id_insee as station_id,
    observed_at,
    'realtime' as source,
    version,
    load_id
from {{ source('meteofrance', 'observations') }}
union all
select
    geo_id_insee as station_id,
    observed_at,
    origin as source,
    version,
    load_id
from {{ source('meteofrance', 'rebuilt_observations') }}

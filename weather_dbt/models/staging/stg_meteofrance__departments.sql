select
    code,
    name,
    region
from {{ source('meteofrance', 'departments') }}

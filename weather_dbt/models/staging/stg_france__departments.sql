select
    code,
    name,
    region
from {{ source('france', 'departments') }}

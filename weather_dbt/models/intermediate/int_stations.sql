{# Listed stations with their département. Stations that only report are added in the mart. #}

with

listed as (

    select * from {{ ref('stg_meteofrance__stations') }}

)

select
    *,
    {{ department_of('station_id') }} as department_code
from listed

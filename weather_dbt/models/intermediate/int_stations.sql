{# Listed stations with their département. The mart adds stations that report but are not listed. #}

with

listed as (

    select * from {{ ref('stg_meteofrance__stations') }}

)

select
    *,
    {{ department_of('station_id') }} as department_code
from listed

with

hourly as (

    select * from {{ ref('int_hourly_findings') }}

),

of_stations as (

    select * from {{ ref('int_station_findings') }}

),

unioned as (

    select * from hourly
    union all by name
    select * from of_stations

)

select
    station_id,
    {{ department_of('station_id') }} as department_code,
    observed_at,
    field,
    value,
    rule,
    severity
from unioned

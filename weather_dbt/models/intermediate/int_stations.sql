{# Listed stations with their département. The mart adds stations that report but are not listed. #}

with

versions as (

    select * from {{ staged('station_versions') }}

),

listed as (

    select
        * exclude (version, version_seen_at),
        case when version > 1 then version_seen_at end as revised_at
    from versions
    qualify row_number() over (partition by station_id order by version desc) = 1

)

select
    *,
    {{ department_of('station_id') }} as department_code
from listed

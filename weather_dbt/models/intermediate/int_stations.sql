{# Stations that are or were listed, with their département. The mart adds those that report and never were. #}

with

versions as (

    select * from {{ staged('station_versions') }}

),

listed as (

    select
        * exclude (has_left, version, version_seen_at),
        not has_left as is_listed,
        case when has_left then version_seen_at end as unlisted_since,
        case when version > 1 then version_seen_at end as revised_at
    from versions
    qualify row_number() over (partition by station_id order by version desc) = 1

)

select
    *,
    {{ department_of('station_id') }} as department_code
from listed

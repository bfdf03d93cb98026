-- The rows seen by a load are new, changed, unchanged or rejected; the new and changed ones are in raw.
{% set built = built_load_id() %}

with

arrived as (

    select
        load_id,
        count(*) as versions
    from (
        select load_id from {{ staged('observation_versions') }}
        union all
        select load_id from {{ staged('station_versions') }}
    ) as versions
    where load_id > {{ built }}
    group by load_id

)

select
    loads.load_id,
    loads.rows_seen,
    loads.rows_new + loads.rows_changed + loads.rows_left as rows_brought,
    arrived.versions
from {{ ref('stg_meta__loads') }} as loads
left join arrived on loads.load_id = arrived.load_id
where
    loads.load_id > {{ built }}
    and (
        loads.rows_seen <> loads.rows_new + loads.rows_changed + loads.rows_unchanged + loads.rows_rejected
        or loads.rows_new + loads.rows_changed + loads.rows_left <> coalesce(arrived.versions, 0)
    )

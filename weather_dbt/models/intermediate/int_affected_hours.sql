{{ config(materialized='table') }}
-- depends_on: {{ staged('station_versions') }}

{# Hours whose rows in the marts may differ from the last passed build: see macros/batch.sql. #}
{{ refuse_to_forget_closed_months('hourly_observations') }}

{% set built = built_load_id() %}

with

touched_hours as (

    select distinct observed_at
    from {{ staged('observation_versions') }}
    where load_id > {{ built }}

    {% if built > 0 -%}
    union

    -- A station that is new in the list, renamed or moved changes its own rows and its neighbours' findings.
    select distinct observations.observed_at
    from {{ staged('observation_versions') }} as observations
    where
        observations.station_id in (
            select listed.station_id
            from {{ staged('station_versions') }} as listed
            where listed.load_id > {{ built }}
        )
        and {{ is_far_from_closed_months('observations.observed_at') }}
    {%- endif %}

),

affected_hours as (

    select distinct touched_hours.observed_at + to_hours(cast(steps.step as integer)) as observed_at
    from touched_hours
    cross join range(0, 25) as steps (step)

)

select affected_hours.observed_at
from affected_hours
where affected_hours.observed_at <= (select max(observed_at) from {{ staged('observation_versions') }})
order by affected_hours.observed_at

{{ config(severity='warn') }}

-- Many more findings than usual point to a fault of the source or of our rules, so this only warns. Returns one row
-- per département whose batch has more than three times the share of findings of the 30 days before.
with

batch as (

    select
        {{ department_of('station_id') }} as department_code,
        count(*) as findings
    from {{ ref('int_hourly_findings') }}
    where observed_at in (select affected.observed_at from {{ ref('int_affected_hours') }} as affected)
    group by all

),

rows_of_batch as (

    select
        {{ department_of('station_id') }} as department_code,
        count(*) as observations
    from {{ ref('int_batch_observations') }}
    where is_affected
    group by all

),

usual as (

    select
        {{ department_of('findings.station_id') }} as department_code,
        count(*) as findings
    from {{ ref('int_hourly_findings') }} as findings
    where
        findings.observed_at >= (select min(observed_at) - to_days(30) from {{ ref('int_affected_hours') }})
        and findings.observed_at < (select min(observed_at) from {{ ref('int_affected_hours') }})
    group by all

),

usual_rows as (

    select
        department_code,
        sum(present_hours) as observations
    from {{ ref('daily_observations') }}
    where
        first_observed_at >= (select min(observed_at) - to_days(30) from {{ ref('int_affected_hours') }})
        and first_observed_at < (select min(observed_at) from {{ ref('int_affected_hours') }})
    group by all

)

select
    batch.department_code,
    batch.findings,
    rows_of_batch.observations,
    coalesce(usual.findings, 0) / usual_rows.observations as usual_share
from batch
inner join rows_of_batch using (department_code)
inner join usual_rows using (department_code)
left join usual using (department_code)
where
    batch.findings >= 20
    and batch.findings / rows_of_batch.observations > 3 * coalesce(usual.findings, 0) / usual_rows.observations

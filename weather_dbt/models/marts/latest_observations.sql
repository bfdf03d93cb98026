{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key='station_id',
    post_hook="{{ follow_station_list(ref('stations'), ['station_name', 'latitude', 'longitude', 'altitude_m']) }}"
) }}
-- depends_on: {{ ref('int_stations') }}

with

affected_rows as (

    select *
    from {{ ref('hourly_observations') }}
    where
        {{ within_batch('observed_at') }}
        and observed_at in (select affected.observed_at from {{ ref('int_affected_hours') }} as affected)

),

newest as (

    select *
    from affected_rows
    qualify row_number() over (partition by station_id order by observed_at desc) = 1

),

stations as (

    select * from {{ ref('stations') }}

),

final as (

    select
        newest.* replace (stations.latitude as latitude, stations.longitude as longitude),
        stations.altitude_m
    from newest
    inner join stations on newest.station_id = stations.station_id
    {% if is_incremental() -%}
    left join {{ this }} as known on newest.station_id = known.station_id
    where known.station_id is null or newest.observed_at >= known.observed_at
    {%- endif %}
    order by newest.station_id

)

select * from final

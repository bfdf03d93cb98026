{# A station is in the list, in the observations, or in both. #}

{% set sensors = {
    'temperature': 'temperature_mean_hours', 'dew_point': 'dew_point_hours', 'humidity': 'humidity_mean_hours',
    'wind': 'wind_mean_hours', 'gust': 'gust_max_hours', 'precipitation': 'precipitation_hours',
    'snow_depth': 'snow_depth_max_hours', 'visibility': 'visibility_hours', 'cloud_cover': 'cloud_cover_hours',
    'ground_state': 'ground_state_hours', 'sunshine': 'sunshine_hours', 'radiation': 'radiation_hours',
    'pressure': 'pressure_mean_hours', 'soil_temperature': 'soil_temperature_hours',
} %}

with

listed as (

    select * from {{ ref('int_stations') }}

),

days as (

    {{ all_days([
        'station_id', 'latitude', 'longitude', 'first_observed_at', 'last_observed_at', 'present_hours',
    ] + sensors.values() | list) }}

),

observed as (

    select
        station_id,
        arg_max(latitude, last_observed_at) as latitude,
        arg_max(longitude, last_observed_at) as longitude,
        min(first_observed_at) as first_observed_at,
        max(last_observed_at) as last_observed_at,
        cast(sum(present_hours) as bigint) as observed_hours,
        list_filter([
            {%- for sensor, hours in sensors.items() %}
            case when max({{ hours }}) > 0 then '{{ sensor }}' end{{ ',' if not loop.last }}
            {%- endfor %}
        ], lambda sensor: sensor is not null) as sensors
    from days
    group by station_id

),

departments as (

    select * from {{ ref('stg_france__departments') }}

),

joined as (

    select
        station_id,
        listed.station_name,
        listed.wmo_id,
        {{ department_of('station_id') }} as department_code,
        coalesce(listed.latitude, observed.latitude) as latitude,
        coalesce(listed.longitude, observed.longitude) as longitude,
        listed.altitude_m,
        listed.opened_date,
        listed.pack,
        coalesce(listed.is_listed, false) as is_listed,
        listed.unlisted_since,
        observed.first_observed_at,
        observed.last_observed_at,
        coalesce(observed.observed_hours, 0) as observed_hours,
        coalesce(observed.sensors, []) as sensors
    from listed
    full outer join observed using (station_id)

),

final as (

    select
        joined.station_id,
        joined.station_name,
        joined.wmo_id,
        joined.department_code,
        departments.name as department_name,
        departments.region as region_name,
        joined.latitude,
        joined.longitude,
        joined.altitude_m,
        joined.opened_date,
        joined.pack,
        joined.is_listed,
        joined.unlisted_since,
        joined.first_observed_at,
        joined.last_observed_at,
        joined.observed_hours,
        joined.sensors,
        -- Three hours: 99 of 100 rows arrive earlier than that.
        case
            when
                joined.last_observed_at + to_hours(3)
                <= max(joined.last_observed_at) over (partition by joined.department_code)
                then joined.last_observed_at + to_hours(1)
        end as silent_since
    from joined
    left join departments on joined.department_code = departments.code
    order by joined.station_id

)

select * from final

with

current_versions as (

    select *
    from {{ source('raw', 'stations') }}
    qualify row_number() over (partition by "Id_station" order by version desc) = 1

),

renamed as (

    select
        "Id_station" as station_id,
        "Id_omm" as wmo_id,
        "Nom_usuel" as station_name,
        {{ number('"Latitude"') }} as latitude,
        {{ number('"Longitude"') }} as longitude,
        {{ number('"Altitude"') }} as altitude_m,
        try_cast("Date_ouverture" as date) as opened_date,
        "Pack" as pack,
        load_id,
        first_seen_at,
        case when version > 1 then version_seen_at end as revised_at
    from current_versions

)

select * from renamed

"""marts.daily_other: sunshine, radiation, humidity, pressure, snow and weather of each day, official or from hours."""

from collections.abc import Callable, Sequence
from typing import Any

from ingestion.archive.day_quantities import OTHER_DAYS, OTHER_FIELDS
from ingestion.archive.days_sql import days_sql, official_days_sql
from ingestion.archive.ledger import ArchiveFile
from ingestion.archive.named_sql import list_of
from orchestration.snapshots.describe import describe

# What marts.daily_observations has for the same quantity. Its 06 UTC is the archive's 06 where FU is UTC.
_OF_HOURS = {
    **{name: name for name in ("sunshine_min", "radiation_j_m2", "sea_level_pressure_mean_hpa", "humidity_mean_pct")},
    "snow_depth_max_cm": "snow_depth_max_cm",
    "snow_depth_06_cm": "case when left(station_id, 2) not in ('97', '98') then snow_depth_06utc_cm end",
}


def other_days_sql(files: Sequence[ArchiveFile], parquet: Callable[..., str]) -> str:
    """SELECT each day of each station; an official value comes first, else that of real time's 24 hours."""
    from_hours = ", ".join(f"{_OF_HOURS.get(name, 'null')}::double as {name}" for name in OTHER_FIELDS)
    values = ", ".join(f"coalesce(official.{name}, hours.{name}) as {name}" for name in OTHER_FIELDS)
    is_filled = {name: f"(official.{name} is null and hours.{name} is not null)" for name in _OF_HOURS}
    days = days_sql(files, parquet, OTHER_DAYS)
    hours = f"""(
        select station_id, station_name, department_code, observed_date, is_final, {from_hours}
        from marts.daily_observations
    ) as hours"""
    # Not one full join: a condition on the station would not reach the files.
    return f"""
        select
            official.station_id, official.station_name, official.department_code, official.observed_date,
            'official' as day_source, true as is_final, {values}, official.quality, official.rejected_fields,
            {list_of(is_filled)} as fields_from_hours
        from ({official_days_sql(days, OTHER_DAYS)}) as official
        left join {hours} on official.station_id = hours.station_id and official.observed_date = hours.observed_date
        union all
        select
            hours.station_id, hours.station_name, hours.department_code, hours.observed_date, 'hours', hours.is_final,
            {", ".join(f"hours.{name}" for name in OTHER_FIELDS)}, map {{}}, [], []
        from {hours}
        left join (select station_id, observed_date from ({days}) as days) as official
            on hours.station_id = official.station_id and hours.observed_date = official.observed_date
        where official.station_id is null
    """


OTHER_DAYS_DOCS: dict[str, dict[str, Any]] = {
    "marts.daily_other": describe(
        "Other quantities of every day: the official value of Météo-France's archive, else that of real time's hours.",
        station_id="Météo-France's number of the post, 8 digits.",
        observed_date="The day from 00 to 24 in fixed local time (FU); new snow from 06 of the day to 06 of the next.",
        day_source="`official` (archive) or `hours` (from real time).",
        is_final="Whether the day is final. Official days are.",
        sunshine_min="Sunshine, minutes.",
        radiation_j_m2="Global radiation, J/m².",
        sea_level_pressure_mean_hpa="Mean of the hourly pressures at sea level, hPa.",
        humidity_mean_pct="Mean of the hourly relative humidities, %.",
        humidity_min_pct="Lowest relative humidity, %.",
        humidity_max_pct="Highest relative humidity, %.",
        vapour_pressure_mean_hpa="Mean vapour pressure, hPa.",
        et0_mm="Reference evapotranspiration after Monteith, as Météo-France computes it at the post, mm.",
        et0_grid_mm="The same at the nearest point of its grid, mm.",
        new_snow_cm="Snow fallen in 24 hours that still lies at 06 of the next day, cm.",
        snow_depth_06_cm="Snow on the ground at 06, cm.",
        snow_depth_max_cm="Highest snow on the ground, cm.",
        snow_days="1 where it snowed, 0 where not. A month's value is the number of such days.",
        snow_cover_days="1 where snow covered the ground.",
        fog_days="1 where there was fog.",
        thunderstorm_days="1 where there was a thunderstorm.",
        hail_days="1 where it hailed.",
        black_ice_days="1 where there was black ice (verglas).",
        hoar_frost_days="1 where there was hoar frost (gelée blanche).",
        quality="Quality code of each official value that is not 1: 0 protected, 2 doubtful, 9 passed first filters.",
        rejected_fields="Official values that are doubtful (code 2): NULL here, or taken from the hours.",
        fields_from_hours="Values of an official day that its file does not have and the hours do.",
    ),
}

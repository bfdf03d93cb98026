"""The open archive in a snapshot: views over its Parquet files, so that no snapshot grows with the days."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path, PurePosixPath
from typing import Any

import duckdb
import pyarrow as pa

from ingestion.archive.climate import (
    FIRST_YEAR,
    LAST_YEAR,
    LEAST_NEIGHBOURS,
    LEAST_RECORD_YEARS,
    LEAST_YEARS,
    empty_climate,
)
from ingestion.archive.day_quantities import FIELDS
from ingestion.archive.days_sql import days_sql, official_days_sql
from ingestion.archive.hours_days import DAYS_OF_HOURS, empty_days_of_hours
from ingestion.archive.ledger import (
    CLIMATE,
    DEPARTMENT,
    FROM_HOURS,
    VARIABLE,
    ArchiveFile,
    Ledger,
    read_ledger,
)
from ingestion.archive.named_sql import list_of, map_of
from ingestion.closed_months import missing_files
from ingestion.errors import ArchiveUnreadable
from ingestion.paths import DataPaths
from ingestion.raw_store import connect, literal
from orchestration.snapshots.climate_views import CLIMATE_DOCS, show_climate
from orchestration.snapshots.describe import describe
from orchestration.snapshots.hours_view import HOURS_DOCS, hourly_history_sql
from orchestration.snapshots.other_days_view import OTHER_DAYS_DOCS, other_days_sql
from orchestration.snapshots.united_days import UNITED_DOCS, write_united_days

_SCHEMAS = {"coverage": "meta.archive_coverage"}  # all others are marts of the same name
_TABLES = ("meta.archive_files", "meta.station_aliases", "meta.united_days")
_ROUNDING = 0.0501  # official days have tenths, days from hours hundredths

# What marts.daily_observations has for the same quantity.
_FROM_HOURS = {
    "temperature_midrange_c": "null::double",
    "gust_instantaneous_ms": "case when gust_kind = 'instantaneous' then gust_max_ms end",
    "gust_3s_ms": "case when gust_kind = '3s' then gust_max_ms end",
}


def archive_of(paths: DataPaths, source: str) -> Ledger:
    """Return the archive of the warehouse's source; an empty ledger where another source's archive lies.

    A back-fill computes what follows from a département's files after the last one. Until then they are left out: an
    hourly run that publishes meanwhile shows whole départements only.
    """
    ledger = read_ledger(paths)
    if ledger.source != source:
        return Ledger()
    computed = {"days": ledger.climate, "other_days": ledger.climate, "hours": ledger.from_hours}
    shown = [file for file in ledger.files if file.status != "loaded" or file.department in computed[file.dataset]]
    return replace(ledger, files=shown)


def show_archive(file: Path, paths: DataPaths, ledger: Ledger) -> None:
    """Add the archive's views and its list of files to a snapshot's file, not published yet."""
    if missing := next(missing_files(paths, ledger.parquet_files()), None):
        raise ArchiveUnreadable(missing, "it is missing")

    def parquet(names: Sequence[str], *, with_name: bool = False, by_name: bool = False) -> str:
        return _read(names, paths, with_name=with_name, by_name=by_name)

    with connect(file) as connection:
        _list_files(connection, ledger)
        hours = ledger.in_use(dataset="hours")
        connection.execute(f"create view marts.hourly_history as {hourly_history_sql(connection, hours, parquet)}")
        from_hours = _selects(ledger.from_hours, FROM_HOURS, parquet, empty_days_of_hours)
        connection.execute(
            f"create view meta.archive_hours_coverage as {from_hours['coverage']}"
            # Files of an older version lack it.
            " union all by name select null::bigint as quality_1_values where false"
        )
        write_united_days(connection, ledger, paths)
        days = _daily_history(ledger.in_use(dataset="days"), from_hours["days"] if hours else None, parquet)
        connection.execute(f"create view marts.daily_history as {days}")
        others = other_days_sql(ledger.in_use(dataset="other_days"), parquet)
        connection.execute(f"create view marts.daily_other as {others}")
        for table, select in _selects(ledger.climate, CLIMATE, parquet, lambda: empty_climate(paths)).items():
            connection.execute(f"create view {_SCHEMAS.get(table, f'marts.{table}')} as {select}")
        show_climate(connection, days_sql(ledger.in_use(dataset="days"), parquet))
        for name, doc in ARCHIVE_DOCS.items():
            kind = "table" if name in _TABLES else "view"
            connection.execute(f"comment on {kind} {name} is {literal(doc['description'])}")
            for column, told in doc["columns"].items():
                connection.execute(f'comment on column {name}."{column}" is {literal(told["description"])}')
        connection.execute("checkpoint")


def _read(names: Sequence[str], paths: DataPaths, *, with_name: bool, by_name: bool) -> str:
    """Read files where they are now, or where the variable `archive` says (see closed_rows).

    With the variable `archive_department`, those of one département: all of France's files would take longer to open
    than one station's days to read.
    """
    folder = literal(paths.archive.resolve())
    files = [PurePosixPath(name).relative_to(paths.archive.name).as_posix() for name in names]
    is_wanted = f"coalesce(getvariable('{DEPARTMENT}') = split_part(file, '/', 2), true)"
    # read_parquet() needs a file, even where the département has none.
    chosen = (
        f"coalesce(nullif(list_filter([{', '.join(map(literal, files))}], lambda file: {is_wanted}), []),"
        f" [{literal(files[0])}])"
    )
    option = (", filename = true" if with_name else "") + (", union_by_name = true" if by_name else "")
    return (
        f"read_parquet(list_transform({chosen},"
        f" lambda file: coalesce(getvariable('{VARIABLE}'), {folder}) || '/' || file){option})"
    )


def _list_files(connection: duckdb.DuckDBPyConnection, ledger: Ledger) -> None:
    connection.execute(
        """
        create table meta.archive_files (
            dataset varchar, department varchar, period varchar, status varchar, name varchar,
            last_modified timestamptz, loaded_at timestamptz, rows bigint, posts bigint, first_day date, last_day date,
            bytes bigint, digest varchar, header_digest varchar, unknown_columns varchar[], resource_id varchar,
            url varchar, etag varchar, is_accepted boolean, error varchar
        )
        """
    )
    columns = [name for (name, *_) in connection.execute("describe meta.archive_files").fetchall()]
    entries = [
        asdict(entry) for entry in sorted(ledger.files, key=lambda file: (file.dataset, file.department, file.rank))
    ]
    # One statement: a row at a time takes 3 ms each, and the ledger keeps what was superseded.
    told = pa.table(
        {
            name: pa.array(
                [entry[name] for entry in entries], pa.list_(pa.string()) if name == "unknown_columns" else None
            )
            for name in columns
        }
    )
    connection.register("told", told)
    connection.execute("insert into meta.archive_files select * from told")
    connection.unregister("told")


def _daily_history(files: Sequence[ArchiveFile], from_hours: str | None, parquet: Callable[..., str]) -> str:
    """Unite official days with days from hours: per value, what is official and not doubtful comes first.

    `from_hours` selects the days of the archive's hours, which come before those of real time.
    """
    values = ", ".join(f"coalesce(official.{name}, hours.{name}) as {name}" for name in FIELDS)
    is_filled = {name: f"(official.{name} is null and hours.{name} is not null)" for name in FIELDS}
    is_different = {name: f"abs(official.{name} - hours.{name}) > {_ROUNDING}" for name in FIELDS}
    days = days_sql(files, parquet)
    # Subqueries: DuckDB would compute a common table expression that is named twice for all stations.
    hours = f"({_days_of_hours(from_hours)}) as hours"
    return f"""
        select
            official.station_id, official.station_name, official.department_code, official.observed_date,
            'official' as day_source, true as is_final, {values}, official.quality, official.rejected_fields,
            {list_of(is_filled)} as fields_from_hours,
            {map_of(is_different, {name: f"hours.{name}" for name in FIELDS})} as differs_from_hours
        from ({official_days_sql(days)}) as official
        left join {hours} on official.station_id = hours.station_id and official.observed_date = hours.observed_date
        union all
        select
            hours.station_id, hours.station_name, hours.department_code, hours.observed_date, hours.day_source,
            hours.is_final,
            {", ".join(f"hours.{name}" for name in FIELDS)}, map {{}}, [], [], map {{}}
        from {hours}
        left join (select station_id, observed_date from ({days}) as days) as official
            on hours.station_id = official.station_id and hours.observed_date = official.observed_date
        where official.station_id is null
    """


def _days_of_hours(from_archive: str | None) -> str:
    values = ", ".join(f"{_FROM_HOURS.get(name, name)} as {name}" for name in FIELDS)
    real_time = f"""
        select station_id, station_name, department_code, observed_date, 'hours' as day_source, is_final, {values}
        from marts.daily_observations
    """
    if from_archive is None:
        return real_time

    def same(one: str, other: str) -> str:
        return f"{one}.station_id = {other}.station_id and {one}.observed_date = {other}.observed_date"

    # A day that has any hour of real time has a row there, so each united day has one.
    united = {name: f"united.{name}, " if name in DAYS_OF_HOURS else "" for name in FIELDS}
    of_both = ", ".join(f"coalesce({united[name]}archive.{name}, real_time.{name}) as {name}" for name in FIELDS)
    of_real_time = ", ".join(f"coalesce({united[name]}real_time.{name}) as {name}" for name in FIELDS)
    is_united = "united.station_id is not null"
    return f"""
        select
            archive.station_id, archive.station_name, archive.department_code, archive.observed_date,
            case when {is_united} then 'united_hours' else 'archive_hours' end as day_source,
            case when {is_united} then real_time.is_final else true end as is_final, {of_both}
        from ({from_archive}) as archive
        left join ({real_time}) as real_time on {same("archive", "real_time")}
        left join meta.united_days as united on {same("archive", "united")}
        union all
        select
            real_time.station_id, real_time.station_name, real_time.department_code, real_time.observed_date,
            case when {is_united} then 'united_hours' else real_time.day_source end, real_time.is_final, {of_real_time}
        from ({real_time}) as real_time
        left join meta.united_days as united on {same("real_time", "united")}
        left join ({from_archive}) as archive on {same("real_time", "archive")}
        where archive.station_id is null
    """


def _selects(
    folders: Mapping[str, str], tables: Sequence[str], parquet: Callable[..., str], empty: Callable[[], dict[str, str]]
) -> dict[str, str]:
    """SELECT each computed table of all départements; no row where none was computed yet."""
    if not folders:
        return empty()
    # Coverage was computed by several versions, which count more and more.
    return {
        table: "select * from "
        + parquet([f"{folder}/{table}.parquet" for _, folder in sorted(folders.items())], by_name=table == "coverage")
        for table in tables
    }


_PERIOD = f"{FIRST_YEAR}-{LAST_YEAR}"
_YEARS = {
    "years": f"Years of {_PERIOD} that count.",
    "first_year": "First year that counts.",
    "last_year": "Last year that counts.",
    "is_normal": f"Whether at least {LEAST_YEARS} years count. Where false, the values are NULL.",
}

# dbt does not make these relations, so their descriptions stand here.
ARCHIVE_DOCS: dict[str, dict[str, Any]] = {
    "marts.daily_history": describe(
        "Every day of a station: the official day of Météo-France's archive, else the day counted from hours.",
        station_id="Météo-France's number of the post, 8 digits.",
        observed_date="The climatological day.",
        day_source="`official` (archive), `archive_hours` (from its hours), `hours` (from real time), or `united_hours`"
        " (from both).",
        is_final="Whether the day is final. Official days are.",
        precipitation_mm="Rain from 06 of the day to 06 of the next, mm.",
        temperature_min_c="Lowest temperature, °C.",
        temperature_max_c="Highest temperature, °C.",
        temperature_mean_c="Mean of the hourly temperatures, °C.",
        temperature_midrange_c="Half of minimum plus maximum, °C (official days only).",
        wind_mean_ms="Mean wind at 10 m, m/s.",
        max_mean_wind_ms="Highest 10-minute wind, m/s.",
        gust_instantaneous_ms="Highest instantaneous gust, m/s.",
        gust_3s_ms="Highest gust over 3 seconds, m/s. Never compared with instantaneous ones.",
        quality="Quality code of each official value that is not 1: 0 protected, 2 doubtful, 9 passed first filters.",
        rejected_fields="Official values that are doubtful (code 2): NULL here, or taken from the hours.",
        fields_from_hours="Values of an official day that its file does not have and the hours do.",
        differs_from_hours="Where the official value differs from that of the hours by more than rounding: theirs.",
    ),
    "marts.normals_monthly": describe(
        f"Normals {_PERIOD} per station, quantity and month, from official days.",
        month="1 to 12. NULL: the year.",
        statistic="`sum` or `mean` of the month's days.",
        normal="Mean over the years that count. NULL where is_normal is false.",
        standard_deviation="Of the yearly values.",
        lowest="Lowest of the yearly values.",
        highest="Highest of the yearly values.",
        **_YEARS,
    ),
    "marts.normals_daily": describe(
        f"Normals {_PERIOD} per station, quantity and calendar day, from the days within 7 days of it in each year.",
        normal="Mean. NULL where is_normal is false. 29 February has none: its values count for the days around it.",
        p05="Value that 5 % of the days do not exceed.",
        p10="Value that 10 % of the days do not exceed.",
        p50="Median.",
        p90="Value that 90 % of the days do not exceed.",
        p95="Value that 95 % of the days do not exceed.",
        **(_YEARS | {"years": f"Years of {_PERIOD} with at least {LEAST_NEIGHBOURS} of the 15 days."}),
    ),
    "marts.records": describe(
        "Highest and lowest official values per station and month, with their first date.",
        month="1 to 12. NULL: all months.",
        observed_date="The first day that had this value.",
        first_year="First year with a value.",
        last_year="Last year with a value.",
        whole_years="Years in which this month, or every month, is whole.",
        is_long=f"Whether at least {LEAST_RECORD_YEARS} years are whole. A short series has extremes, not records.",
    ),
    **OTHER_DAYS_DOCS,
    **CLIMATE_DOCS,
    "meta.archive_coverage": describe(
        "Official days per station and month: how many, and how many of each quantity.",
        month="First day of the month.",
        days="Days with a row in the archive.",
        quality_0_values="Protected values.",
        quality_2_values="Doubtful values, which are NULL in the marts.",
        quality_9_values="Values that only passed the first filters.",
    ),
    **HOURS_DOCS,
    **UNITED_DOCS,
    "meta.archive_files": describe(
        "Files of the archive, of days and of hours: in use (`loaded`), superseded by later ones, or refused, and why.",
        error="Why the file was refused.",
        is_accepted="Loaded although it lost rows, because somebody said so.",
    ),
}

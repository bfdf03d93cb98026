"""Days and coverage of one département, computed from its hours in the archive into Parquet files.

Days are cut as Météo-France cuts them, in fixed local time (weather_dbt/macros/days.sql). A value needs 24 hours that
are not doubtful.
"""

from collections.abc import Sequence

import duckdb

from ingestion.archive.computed import empty_tables, parquet_in, write_tables
from ingestion.archive.day_quantities import FIELDS
from ingestion.archive.hours_file import MEMORY, utc_offset_sql
from ingestion.archive.hours_sql import FIELDS as HOURLY_FIELDS
from ingestion.archive.hours_sql import hours_sql
from ingestion.archive.ledger import FROM_HOURS, PARTIAL, ArchiveFile
from ingestion.archive.received_file import department_sql
from ingestion.paths import DataPaths

_VERSION = 2  # raised when a rule below changes
_REAL_TIME_SINCE = "2023-01-01"  # upstream's packets began then: older days have no other hours
COUNTED = ("temperature_c", "precipitation_mm", "wind_speed_ms")  # quantities whose hours the coverage counts

# From 06 to 06, from 18 the day before to 18, and from 00 to 24: hours that end then, moved to their day.
_RAIN, _MINIMUM, _CIVIL = -7, 5, -1
# How far an hour is moved to be on its day, upstream's quantity, and the day's value of its 24 decimals.
DAYS_OF_HOURS = {
    "precipitation_mm": (_RAIN, "RR1", "round(sum({0})::double, 1)"),
    "temperature_max_c": (_RAIN, "TX", "max({0})::double"),
    "temperature_min_c": (_MINIMUM, "TN", "min({0})::double"),
    "temperature_mean_c": (_CIVIL, "T", "round(avg({0}), 2)"),
    "wind_mean_ms": (_CIVIL, "FF", "round(avg({0}), 2)"),
    "max_mean_wind_ms": (_CIVIL, "FXY", "max({0})::double"),
    "gust_instantaneous_ms": (_CIVIL, "FXI", "max({0})::double"),
    "gust_3s_ms": (_CIVIL, "FXI3S", "max({0})::double"),
}


def write_days_of_hours(paths: DataPaths, department: str, files: Sequence[ArchiveFile]) -> str:
    """Compute days and coverage from a département's hours in use; return their folder."""
    hours = hours_sql(files, parquet_in(paths))
    return write_tables(
        paths,
        f"from_hours/{department}",
        files,
        _VERSION,
        FROM_HOURS,
        lambda connection: _compute(connection, hours),
        MEMORY,
    )


def write_partial_hours(paths: DataPaths, department: str, files: Sequence[ArchiveFile]) -> str:
    """Write the hours of days that the archive has in part, which real time may complete; return their folder."""
    recent = [file for file in files if file.last_day and file.last_day >= _REAL_TIME_SINCE]
    hours = hours_sql(recent, parquet_in(paths))
    return write_tables(
        paths,
        f"partial_hours/{department}",
        recent,
        _VERSION,
        PARTIAL,
        lambda connection: _partial(connection, hours),
        MEMORY,
    )


def empty_days_of_hours() -> dict[str, str]:
    """SELECT no row of each table, where no hours were loaded."""
    return empty_tables(FROM_HOURS, lambda connection: _compute(connection, hours_sql((), str)))


def _compute(connection: duckdb.DuckDBPyConnection, hours: str) -> None:
    connection.execute("set TimeZone = 'UTC'")
    connection.execute(f"create table days as {_days_sql(hours)}")
    connection.execute(f"create table coverage as {_coverage_sql(hours)}")


def _days_sql(hours: str) -> str:
    """SELECT the days that have any value, under the names of day_quantities.FIELDS."""
    parts = []
    for shift in (_RAIN, _MINIMUM, _CIVIL):
        mine = {field: (name, how) for field, (moved, name, how) in DAYS_OF_HOURS.items() if moved == shift}
        values = ", ".join(
            f"case when count({name}) filter (Q{name} is distinct from 2) = 24"
            f" then {how.format(_exact(name))} end as {field}"
            for field, (name, how) in mine.items()
        )
        parts.append(
            f"(select station_id, max(station_name) as station_name, {day_sql('station_id', shift)} as observed_date,"
            f" {values} from hours group by all)"
        )
    fields = ", ".join(name if name in DAYS_OF_HOURS else f"null::double as {name}" for name in FIELDS)
    return f"""
        with hours as ({hours})
        select
            station_id, coalesce(rain.station_name, minimum.station_name, civil.station_name) as station_name,
            {department_sql("station_id")} as department_code, observed_date, {fields}
        from {parts[0]} as rain
        full join {parts[1]} as minimum using (station_id, observed_date)
        full join {parts[2]} as civil using (station_id, observed_date)
        where coalesce({", ".join(DAYS_OF_HOURS)}) is not null
    """


def _exact(name: str) -> str:
    """Decimals: a sum of floats depends on how DuckDB divides the work. A trace of rain, -0.1, counts as nothing."""
    value = f"case when {name} < 0 then 0 else {name} end" if name == "RR1" else name
    return f"({value})::decimal(9, 2)"


def day_sql(station_id: str, shift: int) -> str:
    """Give the day in FU of the hour that ends at `observed_at`."""
    return f"(observed_at::timestamp + to_hours({utc_offset_sql(station_id)} + {shift}))::date"


def _partial(connection: duckdb.DuckDBPyConnection, hours: str) -> None:
    """One row per hour and field of the days with 1 to 23 good values, by day, so that a reader skips old ones."""
    connection.execute("set TimeZone = 'UTC'")
    connection.execute(
        "create table partial_hours (observed_date date, station_id varchar, field varchar, observed_at timestamptz,"
        " value decimal(9, 2), last_modified timestamptz)"
    )
    for field in DAYS_OF_HOURS:
        connection.execute(
            f"""
            insert into partial_hours
            with hours as ({good_hours_sql(field, f"({hours}) as hours where observed_at >= '{_REAL_TIME_SINCE}'")})
            from hours
            semi join (
                select station_id, observed_date from hours group by all having count(*) < 24
            ) as days using (station_id, observed_date)
            """
        )


def good_hours_sql(field: str, hours: str) -> str:
    """SELECT a field's hours that are not doubtful, with the day that each belongs to; `hours` ends in a WHERE."""
    shift, name, _ = DAYS_OF_HOURS[field]
    return f"""
        select
            {day_sql("station_id", shift)} as observed_date, station_id, '{field}' as field, observed_at,
            {_exact(name)} as value, last_modified
        from {hours} and {name} is not null and Q{name} is distinct from 2
    """


def _coverage_sql(hours: str) -> str:
    """SELECT how many hours each station and month has, of some quantities, and how many values of each code."""
    counted = ", ".join(
        f"count({HOURLY_FIELDS[field][0]}) filter (Q{HOURLY_FIELDS[field][0]} is distinct from 2) as {field}_hours"
        for field in COUNTED
    )
    # Four counts in one number, 15 bits each: a month has at most 744 hours, so 20,088 values. Four sums for each
    # quantity would take half of the time again.
    places = {1: 15, 0: 0, 2: 30, 9: 45}
    counts = " + ".join(
        f"case {' '.join(f'when Q{name} = {code} then {1 << bits}' for code, bits in places.items())} else 0 end"
        for name, _ in HOURLY_FIELDS.values()
    )
    codes = ", ".join(
        f"((sum({counts})::bigint >> {places[code]}) & {(1 << 15) - 1}) as quality_{code}_values"
        for code in (0, 1, 2, 9)
    )
    return f"""
        select
            station_id, max(station_name) as station_name, {department_sql("station_id")} as department_code,
            date_trunc('month', observed_at::timestamp)::date as month, count(*) as hours, {counted}, {codes}
        from ({hours}) as hours
        group by station_id, month
    """

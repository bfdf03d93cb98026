"""Days whose hours are partly the archive's and partly those of real time, computed when a snapshot is published.

Whatever arrived first, such a day is that of the united hours: each hour follows the rule of marts.hourly_history.
Only the days that one side alone does not settle are computed: those that the archive has in part, and those of which
real time told an hour after the archive's file.
"""

from collections.abc import Sequence
from datetime import timedelta

import duckdb

from ingestion.archive.computed import parquet_in
from ingestion.archive.hours_days import DAYS_OF_HOURS, day_sql, good_hours_sql
from ingestion.archive.hours_file import utc_offset_sql
from ingestion.archive.hours_sql import FIELDS, hours_sql
from ingestion.archive.ledger import PARTIAL, ArchiveFile, Ledger
from ingestion.archive.received_file import department_sql
from ingestion.meteofrance.source import OBSERVATIONS
from ingestion.paths import DataPaths
from ingestion.raw_store import literal
from orchestration.snapshots.describe import describe
from orchestration.snapshots.hours_view import has_stamps, real_time_sql, stamps_sql

_STATION, _HOUR = OBSERVATIONS.key


def write_united_days(connection: duckdb.DuckDBPyConnection, ledger: Ledger, paths: DataPaths) -> None:
    """Make the table meta.united_days in a snapshot's file; a field that one side settles is NULL in it."""
    connection.execute("set TimeZone = 'UTC'")
    connection.execute(
        "create table meta.united_days (station_id varchar, observed_date date,"
        f" {', '.join(f'{field} double' for field in DAYS_OF_HOURS)})"
    )
    (first,) = connection.execute("select min(observed_at) from marts.hourly_observations").fetchone() or (None,)
    if first is None:
        return
    since = (first - timedelta(days=2)).date()
    files = [file for file in ledger.in_use(dataset="hours") if file.last_day and file.last_day >= since.isoformat()]
    if not files:
        return
    connection.execute(
        "create temp table of_archive (field varchar, station_id varchar, observed_date date, observed_at timestamptz,"
        " value decimal(9, 2), last_modified timestamptz)"
    )
    reaching = {file.department for file in files}
    partial = [f"{folder}/{PARTIAL[0]}.parquet" for code, folder in ledger.partial_hours.items() if code in reaching]
    if partial:
        connection.execute(
            f"insert into of_archive by name from {parquet_in(paths)(sorted(partial))} where observed_date >= ?",
            [since],
        )
    _add_days_told_later(connection, files, paths)
    connection.execute(f"insert into meta.united_days {_united_sql(connection)}")
    connection.execute("drop table of_archive")


def _add_days_told_later(connection: duckdb.DuckDBPyConnection, files: Sequence[ArchiveFile], paths: DataPaths) -> None:
    """Add the archive's hours of the days of which real time told an hour after the archive's file."""
    if not has_stamps(connection):
        return
    connection.execute("create temp table told_later (station_id varchar, observed_at timestamptz)")
    for file in files:
        # Upstream's text sorts as its time does, so the footers of closed months show which of them to read.
        connection.execute(
            f"""
            insert into told_later
            select distinct {_STATION}, {_HOUR} from {OBSERVATIONS.name}
            where {OBSERVATIONS.true_by} >= left($told, 10)
                and try_cast({OBSERVATIONS.true_by} as timestamptz) between $told::timestamptz + interval 1 microsecond
                    and version_seen_at + interval 1 day
                and {_HOUR} <= (
                    select max(stats_max::timestamptz) from parquet_metadata({literal(paths.root / str(file.file))})
                    where path_in_schema = 'observed_at'
                )
                and {_HOUR} >= $first and {department_sql(_STATION)} = $department
            """,
            {"told": file.last_modified, "first": file.first_day, "department": file.department},
        )
    range_told = connection.execute(
        "select min(observed_at), max(observed_at), list(distinct station_id) from told_later"
    ).fetchone()
    if range_told and range_told[0] is not None:
        first, last, stations = range_told
        connection.execute(
            f"""
            create temp table around as
            from ({hours_sql(files, parquet_in(paths))}) as hours
            where station_id in ({", ".join(map(literal, sorted(stations)))})
                and observed_at between timestamptz {literal(first - timedelta(days=2))}
                    and timestamptz {literal(last + timedelta(days=2))}
            """
        )
        for field, (shift, *_) in DAYS_OF_HOURS.items():
            connection.execute(
                f"""
                insert into of_archive by name
                from ({good_hours_sql(field, "around where true")}) as hours
                semi join (select station_id, {day_sql("station_id", shift)} as observed_date from told_later) as told
                    using (station_id, observed_date)
                anti join (select field, station_id, observed_date from of_archive) as known
                    using (field, station_id, observed_date)
                """
            )
        connection.execute("drop table around")
    connection.execute("drop table told_later")


def _united_sql(connection: duckdb.DuckDBPyConnection) -> str:
    """SELECT one row per station and day, of the fields that have all 24 hours, some of them of the archive."""
    moved = " ".join(f"when '{field}' then {shift}" for field, (shift, *_) in DAYS_OF_HOURS.items())
    hourly = {name: field for field, (name, _) in FIELDS.items()}
    theirs = " ".join(
        f"when '{field}' then {real_time_sql(hourly[name], 'real_time.')}::decimal(9, 2)"
        for field, (_, name, _) in DAYS_OF_HOURS.items()
    )
    days = ", ".join(
        f"case when count(value) filter (field = '{field}') = 24"
        f" then {how.format(f'(case when field = {literal(field)} then value end)')} end as {field}"
        for field, (*_, how) in DAYS_OF_HOURS.items()
    )
    return f"""
        with asked as (
            select
                field, station_id, observed_date, (
                    observed_date::timestamp
                    + to_hours(hour - (case field {moved} end) - {utc_offset_sql("station_id")})
                )::timestamptz as observed_at
            from (select distinct field, station_id, observed_date from of_archive) as days
            cross join (select unnest(range(24)) as hour) as hours
        ),
        united as (
            select
                asked.station_id, asked.observed_date, asked.field,
                case asked.field {theirs} end as theirs,
                case
                    when of_archive.value is null then theirs
                    when stamps.reference_time > of_archive.last_modified then coalesce(theirs, of_archive.value)
                    else of_archive.value
                end as value
            from asked
            left join of_archive using (field, station_id, observed_date, observed_at)
            left join marts.hourly_observations as real_time
                on asked.station_id = real_time.station_id and asked.observed_at = real_time.observed_at
            left join ({stamps_sql(connection, "asked")}) as stamps
                on asked.station_id = stamps.station_id and asked.observed_at = stamps.observed_at
        )
        select station_id, observed_date, {days}
        from united
        group by station_id, observed_date
        having coalesce({", ".join(DAYS_OF_HOURS)}) is not null
        order by station_id, observed_date
    """


UNITED_DOCS = {
    "meta.united_days": describe(
        "Days of which some hours are the archive's and some are those of real time, for marts.daily_history. A field"
        " that one side has whole is NULL.",
        station_id="Météo-France's number of the post, 8 digits.",
        observed_date="The climatological day.",
    )
}

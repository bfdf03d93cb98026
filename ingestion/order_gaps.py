"""Hours of single stations that neither real time nor the archive gave, from their second day on."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import duckdb

from ingestion.archive.computed import parquet_in
from ingestion.archive.hours_sql import hours_sql
from ingestion.archive.ledger import read_ledger
from ingestion.departments import Department
from ingestion.gaps import FURTHEST, floor_hour
from ingestion.paths import DataPaths
from ingestion.source import FineRepair, Orders, Repair
from ingestion.station_gaps import StationHour

_DAY_TWO = timedelta(days=2)
# The archive's `latest` file has an hour a day or two later. A mirror that stands still is not waited for longer.
_ARCHIVE_WAITS = timedelta(days=5)


def find_order_gaps(
    connection: duckdb.DuckDBPyConnection,
    paths: DataPaths,
    repair: Repair,
    finer: FineRepair,
    orders: Orders,
    departments: Sequence[Department],
    now: datetime,
) -> set[StationHour]:
    """Find the hours that a station misses between hours that it has. `now` is when the run began.

    A station that is silent is asked about when it reports again.
    """
    ids = repair.station_id
    rows = connection.execute(
        f"""
        with reporting as (
            select {ids} as station, min(observed_at) as first_hour, max(observed_at) as last_hour
            from {repair.table}
            where observed_at > $far and regexp_matches({ids}, $prefixes) and {orders.is_for.format(ids)}
            group by station
        ),
        hours as (select unnest(generate_series($first::timestamptz, $last::timestamptz, interval 1 hour)) as hour),
        known as (
            select {ids} as station, observed_at from {repair.table} where observed_at > $far
            union all
            select {ids} as station, observed_at from {finer.table} where observed_at > $far
        )
        select reporting.station, hours.hour
        from reporting
        inner join hours on hours.hour > reporting.first_hour and hours.hour < reporting.last_hour
        anti join known on known.station = reporting.station and known.observed_at = hours.hour
        where hours.hour > (select min(fetched_at) from meta.loads)
        """,
        {
            "far": now - FURTHEST,
            "first": floor_hour(now - FURTHEST) + timedelta(hours=1),
            "last": floor_hour(now - _DAY_TWO),
            "prefixes": f"^({'|'.join(department.station_prefix for department in departments)})",
        },
    ).fetchall()
    missing = {(station, hour.astimezone(UTC)) for station, hour in rows}
    return missing - _left_to_archive(connection, paths, departments, missing, now)


def _left_to_archive(
    connection: duckdb.DuckDBPyConnection,
    paths: DataPaths,
    departments: Sequence[Department],
    missing: set[StationHour],
    now: datetime,
) -> set[StationHour]:
    """Find the hours that the archive has, or is soon to have, where its hours are loaded."""
    left: set[StationHour] = set()
    ledger = read_ledger(paths)
    for department in departments:
        here = {(station, hour) for station, hour in missing if station.startswith(department.station_prefix)}
        files = ledger.in_use(department.code, "hours")
        if not (here and files):
            continue
        newest = max(date.fromisoformat(file.last_day) for file in files if file.last_day)
        left |= {pair for pair in here if pair[1].date() > newest and now - pair[1] < _ARCHIVE_WAITS}

        hours = hours_sql(files, parquet_in(paths), ("station_id", "observed_at"))
        rows = connection.execute(
            f"select station_id, observed_at from ({hours}) where observed_at >= ?",
            [min(hour for _, hour in here)],
        ).fetchall()
        left |= here & {(station, hour.astimezone(UTC)) for station, hour in rows}
    return left

"""A warehouse with months of all France's history in it, made at DuckDB's speed: no fetch, no parsing."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from ingestion.demo.weather import load_stations, weather_query
from ingestion.meteofrance.schema import OBSERVATION_COLUMNS
from ingestion.paths import DataPaths
from ingestion.raw_store import open_build_file
from orchestration.closed_months.close_months import close_months
from orchestration.pipeline import build_and_record
from orchestration.settings import get_settings
from orchestration.snapshots.publish import publish_build

SOURCE: str = "meteofrance"  # what the benchmark's upstream plays


def make_history(data_dir: Path, months: int, until: datetime) -> Iterator[tuple[int, float]]:
    """Load, build and publish so many months of every station up to `until`; yield the rows and seconds of each."""
    paths = DataPaths(data_dir)
    first = until - timedelta(days=round(months * 30.44))
    starts = [first + (until - first) * month / months for month in range(months)]
    for start, end in zip(starts, [*starts[1:], until], strict=True):
        began = time.perf_counter()
        rows = load_month(paths, start, end)
        build_and_record(get_settings(), paths, None, lambda _: None)
        close_months(paths, get_settings().close_above_mb, lambda _: None)
        yield rows, time.perf_counter() - began
    publish_build(paths, keep=get_settings().snapshots_keep)


def load_month(paths: DataPaths, start: datetime, end: datetime) -> int:
    """Write the hours in [start, end) into raw, as one load whose every row came ten minutes after its hour."""
    with open_build_file(paths, SOURCE) as connection:
        load_stations(connection)
        source = weather_query(start, end)
        given = set(connection.sql(source).columns)
        columns = [f'"{c}"::varchar' if c in given else "null::varchar" for c in OBSERVATION_COLUMNS]
        load_id = _value(connection, "select coalesce(max(load_id), 0) + 1 from meta.loads")
        connection.execute(
            f"""
            insert into raw.observations
            select
                validity_time::timestamp at time zone 'UTC', {", ".join(columns)}, null, 1, {load_id},
                validity_time::timestamp at time zone 'UTC' + interval 10 minutes,
                validity_time::timestamp at time zone 'UTC' + interval 10 minutes
            from ({source})
            order by validity_time, geo_id_insee
            """
        )
        rows = _value(connection, f"select count(*) from raw.observations where load_id = {load_id}")
        fetched_at = min(end, datetime.now(UTC))
        connection.execute(
            """
            insert into meta.loads (
                load_id, source, dataset, scope, status, payload, payload_digest, rows_seen, rows_new, fetched_at,
                loaded_at, seconds
            ) values (
                $id, $source, 'paquet-stations-horaire', 'history', 'loaded', $name, $name, $rows, $rows, $at, $at, 0
            )
            """,
            {"id": load_id, "source": SOURCE, "name": f"history-{load_id}", "rows": rows, "at": fetched_at},
        )
        connection.execute("drop schema demo cascade")
    return rows


def newest_hour(paths: DataPaths) -> datetime:
    """Find the newest hour in raw."""
    with open_build_file(paths, SOURCE) as connection:
        row = connection.execute("select max(observed_at) from raw.observations").fetchone()
    assert row is not None
    newest: datetime = row[0]
    return newest.astimezone(UTC)


def _value(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0

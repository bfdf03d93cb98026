"""Years before a month of history: the same weather at earlier hours, in closed months as years would leave it.

Written by SQL at DuckDB's speed, some seconds for a month of all France.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from ingestion.load_log import DETAILS_KEPT
from ingestion.paths import DataPaths
from ingestion.raw_store import connect
from orchestration.closed_months.close_months import Content, Written, record_closed
from orchestration.closed_months.growing_tables import GROWING

# What moves with the time that says which month a row is of, by table.
_STAMPS = {
    "raw.observations": ("first_seen_at", "version_seen_at"),
    "marts.hourly_observations": ("first_seen_at",),
    "marts.daily_observations": ("first_observed_at", "last_observed_at"),
}
_LOADS_AN_HOUR = 37  # the station list and 36 hours of France


def lengthen(data_dir: Path, months: int) -> None:
    """Put so many calendar months before the month that is there, closed but for those not settled yet."""
    paths = DataPaths(data_dir)
    template = data_dir / "template"
    template.mkdir()
    with connect(paths.build_file) as connection:
        newest = _value(connection, "select max(observed_at) from marts.hourly_observations").astimezone(UTC)
        start = (newest - timedelta(days=30)).date()
        for name, table in GROWING.items():
            first, last = (f"{table.time_type} '{day}'" for day in (start, newest.date()))
            rows = f"select * from {name} where {table.time} between {first} and {last} order by {', '.join(table.key)}"
            connection.execute(f"copy ({rows}) to '{template / name}' (format parquet)")
        oldest = _value(connection, "select min(observed_at) from raw.observations").astimezone(UTC).date()
        for month in _months_before(oldest, months):
            _fill(connection, paths, template, start, month, oldest, newest)
        _fill_logs(connection, newest, months)
        connection.execute("checkpoint")


def _months_before(first: date, count: int) -> Iterator[date]:
    month = first.replace(day=1)
    for _ in range(count):
        yield month
        month = (month - timedelta(days=1)).replace(day=1)


def _fill(
    connection: duckdb.DuckDBPyConnection,
    paths: DataPaths,
    template: Path,
    start: date,
    month: date,
    oldest: date,
    newest: datetime,
) -> None:
    shift = (start - month).days
    following = (month + timedelta(days=31)).replace(day=1)
    written = []
    for name, table in GROWING.items():
        until = f"{table.time_type} '{min(following, oldest)}' + interval {shift} day"
        moved = [f"({table.time} - interval {shift} day)::{table.time_type} as {table.time}"]
        moved += [f"{stamp} - interval {shift} day as {stamp}" for stamp in _STAMPS[name]]
        moved += ["true as is_final"] * (table.condition == "is_final")
        rows = (
            f"select * replace ({', '.join(moved)}) from read_parquet('{template / name}') where {table.time} < {until}"
        )
        if following > (newest - table.settled_after).date():
            connection.execute(f"insert into {name} by name {rows}")
            continue
        file = paths.closed / name / f"{month:%Y-%m}-{'0' * 16}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        connection.execute(f"copy ({rows}) to '{file}' (format parquet, compression zstd)")
        held = f"select count(*), min({table.time})::timestamptz, max({table.time})::timestamptz from '{file}'"
        count, first, last = connection.execute(held).fetchone() or (0, None, None)
        written.append(Written(name, file, Content(count, "", first, last)))
    record_closed(connection, paths, month, written)


def _fill_logs(connection: duckdb.DuckDBPyConnection, newest: datetime, months: int) -> None:
    """The loads and builds that so many months of hourly runs leave, details of old ones forgotten."""
    hours = months * 730
    detailed = hours - DETAILS_KEPT // timedelta(hours=1)
    connection.execute(
        f"""
        insert into meta.loads by name
        select last.* replace (
            hours.number * {_LOADS_AN_HOUR} + turns.number - {hours * _LOADS_AN_HOUR} as load_id,
            uuid()::varchar as run_id,
            strftime(timestamptz '{newest.isoformat()}' - to_hours(({hours} - hours.number + turns.number)::integer),
                '%Y%m%dT%HZ') as scope,
            if(turns.number < 2, 'loaded', 'unchanged') as status,
            md5(concat(hours.number, turns.number))[:16] as payload_digest,
            concat(payload, hours.number, turns.number) as payload,
            timestamptz '{newest.isoformat()}' - to_hours(({hours} - hours.number)::integer) as fetched_at,
            timestamptz '{newest.isoformat()}' - to_hours(({hours} - hours.number)::integer) as loaded_at
        )
        from (from meta.loads order by load_id desc limit 1) as last,
            range({hours}) as hours (number), range({_LOADS_AN_HOUR}) as turns (number)
        where turns.number < 2 or hours.number >= {detailed}
        order by load_id
        """
    )
    connection.execute(
        f"""
        insert into meta.builds by name
        select last.* replace (
            hours.number - {hours} as build_id,
            uuid()::varchar as run_id,
            built_at - to_hours(({hours} - hours.number)::integer) as built_at,
            seconds + random() as seconds,
            hours.number * {_LOADS_AN_HOUR} - {hours * _LOADS_AN_HOUR} as last_load_id,
            if(hours.number < {detailed}, '[]', replace(nodes::varchar, '0.0', concat('0.', hours.number % 97)))::json
                as nodes
        )
        from (from meta.builds order by build_id desc limit 1) as last, range({hours}) as hours (number)
        order by build_id
        """
    )


def _value(connection: duckdb.DuckDBPyConnection, query: str) -> datetime:
    row = connection.execute(query).fetchone()
    assert row is not None
    value: datetime = row[0]
    return value

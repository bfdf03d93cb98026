"""Close months: when the build file grows over its limit, its oldest months become immutable Parquet files.

Written, made durable and compared with the table before the rows are deleted, in one transaction with their
entry in meta.closed_months: killed anywhere, nothing is lost and the next run goes on.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb

from ingestion.closed_months import REGISTRY, closed_files, reopen
from ingestion.durable import PARTIAL, sync
from ingestion.errors import ClosedMonthDamaged
from ingestion.paths import DataPaths
from ingestion.raw_store import connect, literal
from orchestration.closed_months.closed_stations import DAYS, record_stations
from orchestration.closed_months.growing_tables import GROWING

# News of hour t changes hours up to t + 24 and the days these fall in, which are made of the hours from t - 35 to
# t + 59 (weather_dbt/macros/days.sql): so far before and after a month news reach it.
NEWS_BEFORE, NEWS_AFTER = timedelta(hours=59), timedelta(hours=35)

_TABLE = f"""
create table if not exists {REGISTRY} (
    table_name varchar not null,
    month date not null,
    file varchar not null, -- relative to the data directory
    rows bigint not null,
    bytes bigint not null,
    first_hour timestamptz not null,
    last_hour timestamptz not null,
    news_from timestamptz not null, -- news of an hour in between reopen the month
    news_to timestamptz not null,
    closed_at timestamptz not null,
    reopened_at timestamptz -- null while the month is closed
);
"""
_MEMORY = "600MB"  # sorting a month of all France took 2.3 GB; the rest is spilled beside the build file


@dataclass(frozen=True)
class Content:
    """What some rows hold, whatever their order."""

    rows: int
    digest: str
    first_hour: datetime
    last_hour: datetime


@dataclass(frozen=True)
class Written:
    """One table's rows of a month, in their file."""

    table: str
    file: Path
    content: Content


def close_months(
    paths: DataPaths, above_mb: int, say: Callable[[str], None], let_go: Callable[[], None] = lambda: None
) -> list[date]:
    """Close the oldest settled months while the build file uses more than `above_mb` MB (0: never); return them.

    The caller holds the writer's lock, no connection to the build file once `let_go` was called, and has just built
    and tested every load.
    """
    closed: list[date] = []
    if above_mb == 0 or paths.build_file.stat().st_size < above_mb * 1e6:  # never, or it cannot be
        return closed
    let_go()
    rows = 0
    with connect(paths.build_file) as connection:
        connection.execute(f"set memory_limit = '{_MEMORY}'")
        while used_mb(connection) > above_mb and (settled := _oldest_settled(connection)):
            month, tables = settled
            rows += _close(connection, paths, month, tables)
            closed.append(month)
            connection.execute("checkpoint")
        left = used_mb(connection)
    if closed:
        _give_back_space(paths, left)
        names = ", ".join(f"{month:%Y-%m}" for month in closed)
        say(f"closed {names}: {rows:,} rows are now in {paths.closed}; the build file uses {left:,.0f} MB")
    return closed


def reopen_all(paths: DataPaths, say: Callable[[str], None]) -> None:
    """Bring back every closed month, one after another: a full build makes the marts anew from all of raw."""
    with connect(paths.build_file) as connection:
        for month in sorted({closed.month for closed in closed_files(connection)}):
            connection.begin()
            reopen(connection, [month])
            connection.commit()
            say(f"reopened {month:%Y-%m} for the full build")


def used_mb(connection: duckdb.DuckDBPyConnection) -> float:
    """MB of the file's blocks that hold something; free ones are filled before the file grows."""
    row = connection.execute("select used_blocks * block_size from pragma_database_size()").fetchone()
    return row[0] / 1e6 if row else 0.0


def _give_back_space(paths: DataPaths, used: float) -> None:
    """Write the file anew when a third of it is free: DuckDB fills free blocks again, and each snapshot copies them."""
    if paths.build_file.stat().st_size < 1.5e6 * used:
        return
    folder = paths.build_file.parent / "compact"
    shutil.rmtree(folder, ignore_errors=True)  # of a killed run
    folder.mkdir()
    compact = folder / paths.build_file.name
    with duckdb.connect(config={"memory_limit": _MEMORY, "temp_directory": str(folder)}) as connection:
        connection.execute(f"attach {literal(paths.build_file)} as warehouse (read_only)")
        connection.execute(f"attach {literal(compact)} as compact")
        connection.execute("copy from database warehouse to compact")
        connection.execute("checkpoint compact")
    sync(compact)
    compact.replace(paths.build_file)
    sync(paths.build_file.parent)
    shutil.rmtree(folder)


def _oldest_settled(connection: duckdb.DuckDBPyConnection) -> tuple[date, list[str]] | None:
    """Give the oldest month that any table may let go of, and the tables that may."""
    # The newest hour of the marts: an hour from the future, which raw may hold, is left out of them.
    query = """
        with month as (
            select date_trunc('month', min({time}))::date as month from {table} where {condition}
        )
        select month
        from month
        where month + interval 1 month
            <= least((select max(observed_at) from marts.hourly_observations), now()) - $settled
    """
    months = {}
    for name, table in GROWING.items():
        row = connection.execute(
            query.format(table=name, time=table.time, condition=table.condition), {"settled": table.settled_after}
        ).fetchone()
        if row:
            months[name] = row[0]
    oldest = min(months.values(), default=None)
    return None if oldest is None else (oldest, [name for name, month in months.items() if month == oldest])


def _close(connection: duckdb.DuckDBPyConnection, paths: DataPaths, month: date, tables: Sequence[str]) -> int:
    """Write, prove and delete one month's rows of some tables; return how many there were."""
    written = [_write(connection, paths, table, month) for table in tables]
    connection.begin()
    for part in written:
        connection.execute(f"delete from {part.table} where {GROWING[part.table].within(month)}")
    record_closed(connection, paths, month, written)
    connection.commit()
    return sum(part.content.rows for part in written)


def record_closed(
    connection: duckdb.DuckDBPyConnection, paths: DataPaths, month: date, written: Sequence[Written]
) -> None:
    """Write down, inside the caller's transaction, that these files hold a month now."""
    connection.execute(_TABLE)
    for part in written:
        name = part.file.relative_to(paths.root).as_posix()
        connection.execute(
            f"""
            insert into {REGISTRY}
            select
                $table, $month, $file, $rows, $bytes, $first, $last, $month::timestamptz - $before,
                $month::timestamptz + interval 1 month - interval 1 hour + $after, now(), null
            """,
            {
                "table": part.table,
                "month": month,
                "file": name,
                "rows": part.content.rows,
                "bytes": part.file.stat().st_size,
                "first": part.content.first_hour,
                "last": part.content.last_hour,
                "before": NEWS_BEFORE,
                "after": NEWS_AFTER,
            },
        )
        if part.table == DAYS:
            record_stations(connection, part.file, name)


def _write(connection: duckdb.DuckDBPyConnection, paths: DataPaths, name: str, month: date) -> Written:
    """Write one table's rows of a month, durably, and prove the file."""
    table = GROWING[name]
    folder = paths.closed / name
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{month:%Y-%m}{PARTIAL}"
    partial.unlink(missing_ok=True)  # of a killed run
    rows = f"select * from {name} where {table.within(month)}"
    connection.execute(
        f"copy ({rows} order by {', '.join(table.key)}) to {literal(partial)} (format parquet, compression zstd)"
    )
    told = _tell(connection, f"({rows})", table.time)
    if _tell(connection, f"read_parquet({literal(partial)})", table.time) != told:
        raise ClosedMonthDamaged(partial, f"does not hold the rows of {name} it was just written from")
    file = folder / f"{month:%Y-%m}-{told.digest}.parquet"
    if file.exists():  # closed before, reopened for news that changed nothing here: snapshots read it
        partial.unlink()
    else:
        sync(partial)
        partial.chmod(0o444)
        partial.rename(file)
    for changed in (folder, paths.closed, paths.root):
        sync(changed)
    return Written(name, file, told)


def _tell(connection: duckdb.DuckDBPyConnection, source: str, time: str) -> Content:
    """Say what a table's rows of a month, or its file, hold: equal for equal rows, whatever their order."""
    columns = connection.execute(f"select column_name, column_type from (describe select * from {source})").fetchall()
    row = connection.execute(
        f"select count(*), sum(hash(row)), min({time})::timestamptz, max({time})::timestamptz from {source} as row"
    ).fetchone()
    assert row is not None  # noqa: S101 - an aggregate without group by always gives a row
    digest = hashlib.sha256(json.dumps([columns, row[0], str(row[1])]).encode()).hexdigest()[:16]
    return Content(row[0], digest, row[2], row[3])

"""Close months: when the build file grows over its limit, its oldest months become immutable Parquet files.

A file is written, synced and compared with the table first. One transaction then deletes the rows and records the
file in meta.closed_months. So a kill at any point loses nothing, and the next run continues.
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

# Late data for hour t changes hours up to t + 24 and their days, which are computed from the hours t - 35 to t + 59
# (weather_dbt/macros/days.sql). So late data this far before and after a month changes it.
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
    news_from timestamptz not null, -- late data for an hour in between reopens the month
    news_to timestamptz not null,
    closed_at timestamptz not null,
    reopened_at timestamptz -- null while the month is closed
);
"""
_MEMORY = "600MB"  # sorting a month of all France took 2.3 GB; the rest is spilled beside the build file


@dataclass(frozen=True)
class Content:
    """A summary of some rows, independent of their order."""

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
    if above_mb == 0 or paths.build_file.stat().st_size < above_mb * 1e6:  # switched off, or the whole file is smaller
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
    """Reopen every closed month, one at a time: a full build rebuilds the marts from all of raw."""
    with connect(paths.build_file) as connection:
        for month in sorted({closed.month for closed in closed_files(connection)}):
            connection.begin()
            reopen(connection, [month])
            connection.commit()
            say(f"reopened {month:%Y-%m} for the full build")


def used_mb(connection: duckdb.DuckDBPyConnection) -> float:
    """MB of the file's used blocks. DuckDB fills free blocks before the file grows."""
    row = connection.execute("select used_blocks * block_size from pragma_database_size()").fetchone()
    return row[0] / 1e6 if row else 0.0


def _give_back_space(paths: DataPaths, used: float) -> None:
    """Compact the file when a third of it is free: each snapshot copies the free blocks too."""
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
    """Return the oldest month that can be closed, and the tables in which it can."""
    # Take the newest hour from the marts: raw may hold hours of the future, the marts do not.
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
    """Write, verify and delete one month's rows of some tables; return their number."""
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
    """Record the files of a month, inside the caller's transaction."""
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
    """Write one table's rows of a month, durably, and verify the file."""
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
    if file.exists():  # same rows as before the month was reopened: snapshots read this file
        partial.unlink()
    else:
        sync(partial)
        partial.chmod(0o444)
        partial.rename(file)
    for changed in (folder, paths.closed, paths.root):
        sync(changed)
    return Written(name, file, told)


def _tell(connection: duckdb.DuckDBPyConnection, source: str, time: str) -> Content:
    """Summarise rows of a table or file. Equal rows give equal summaries, in any order."""
    columns = connection.execute(f"select column_name, column_type from (describe select * from {source})").fetchall()
    row = connection.execute(
        f"select count(*), sum(hash(row)), min({time})::timestamptz, max({time})::timestamptz from {source} as row"
    ).fetchone()
    assert row is not None  # noqa: S101 - an aggregate without group by always gives a row
    digest = hashlib.sha256(json.dumps([columns, row[0], str(row[1])]).encode()).hexdigest()[:16]
    return Content(row[0], digest, row[2], row[3])

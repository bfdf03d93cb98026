"""`meta.closed_months`: months whose rows left the build file for Parquet, and their way back.

`orchestration/closed_months` closes months. Code here reads the table names from the registry, so loading
needs no knowledge of the marts.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa

from ingestion.errors import ClosedMonthDamaged
from ingestion.paths import DataPaths
from ingestion.source import RawTable

REGISTRY = "meta.closed_months"
VARIABLE = "closed_months"  # of a reader whose closed files lie elsewhere than where they were written


@dataclass(frozen=True)
class ClosedFile:
    """One table's rows of one closed month; the file never changes."""

    table: str
    month: date
    file: str  # relative to the data directory
    rows: int


def recent_name(name: str) -> str:
    """The snapshot's table that holds the months not closed; `name` is then the view over all of them."""
    return f"_{name}_recent"


def is_recent_name(name: str) -> bool:
    """Whether a table is the recent part of another, under whose name it is read."""
    return name.startswith("_") and name.endswith("_recent")


def has_registry(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether a month was ever closed: the registry is made by the first."""
    return has_table(connection, REGISTRY)


def has_table(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Whether there is a table of this name, `schema.table`."""
    schema, table = name.split(".")
    found = connection.execute(
        "select count(*) from duckdb_tables() where schema_name = $schema and table_name = $table",
        {"schema": schema, "table": table},
    ).fetchone()
    return found != (0,)


def closed_files(connection: duckdb.DuckDBPyConnection, months: Sequence[date] | None = None) -> list[ClosedFile]:
    """Read the registry: every file, or those of some months; by table, oldest first."""
    if not has_registry(connection):
        return []
    rows = connection.execute(
        f"select table_name, month, file, rows from {REGISTRY}"
        " where reopened_at is null and ($months is null or list_contains($months, month))"
        " order by table_name, month",
        {"months": None if months is None else list(months)},
    ).fetchall()
    return [ClosedFile(*row) for row in rows]


def reopen_touched(connection: duckdb.DuckDBPyConnection, table: RawTable, rows: pa.Table) -> list[date]:
    """Bring back the closed months that a packet's hours reach, inside the caller's transaction; return them.

    Versions, windows and days then come out as if the month had never been closed. `rows` are a parsed packet's.
    """
    if table.observed_at is None or rows.num_rows == 0 or not has_registry(connection):
        return []
    connection.register("packet", rows)
    months = connection.execute(
        f"""
        with hours as (select distinct {table.observed_at} as hour from packet)
        select distinct closed.month from {REGISTRY} as closed
        where
            closed.reopened_at is null
            and exists (select 1 from hours where hours.hour between closed.news_from and closed.news_to)
        order by closed.month
        """
    ).fetchall()
    connection.unregister("packet")
    return reopen(connection, [month for (month,) in months])


def reopen(connection: duckdb.DuckDBPyConnection, months: Sequence[date] | None = None) -> list[date]:
    """Bring back some closed months, or all, inside the caller's transaction; return them.

    The files stay: published snapshots read them. Raises ClosedMonthDamaged.
    """
    files = closed_files(connection, months)
    for closed in files:
        _take_back(connection, closed)
    reopened = sorted({closed.month for closed in files})
    if reopened:
        connection.execute(
            f"update {REGISTRY} set reopened_at = now() where reopened_at is null and list_contains($months, month)",
            {"months": reopened},
        )
    return reopened


def missing_files(paths: DataPaths, files: Iterable[str]) -> Iterator[Path]:
    """Closed files, named relative to the data directory, that are not there."""
    return (paths.root / file for file in files if not (paths.root / file).exists())


def _take_back(connection: duckdb.DuckDBPyConnection, closed: ClosedFile) -> None:
    file = _data_dir(connection) / closed.file
    try:
        row = connection.execute(
            f"insert into {closed.table} by name select * from read_parquet($file)", {"file": str(file)}
        ).fetchone()
    except duckdb.Error as error:
        raise ClosedMonthDamaged(file, "is missing" if not file.exists() else f"cannot be read ({error})") from error
    if row != (closed.rows,):
        raise ClosedMonthDamaged(file, f"holds {row[0] if row else 0:,} rows where {closed.rows:,} were written")


def _data_dir(connection: duckdb.DuckDBPyConnection) -> Path:
    row = connection.execute("select path from duckdb_databases() where database_name = current_database()").fetchone()
    assert row is not None  # noqa: S101 - a connection always has a current database
    return Path(row[0]).parents[1]  # as ingestion/paths.py lays it out: build/warehouse.duckdb

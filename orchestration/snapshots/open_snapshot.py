"""Read a snapshot beside those who serve it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import duckdb

from ingestion.archive.ledger import VARIABLE as ARCHIVE_VARIABLE
from ingestion.closed_months import VARIABLE
from ingestion.paths import WAREHOUSE_FILE, DataPaths

_CATALOG = WAREHOUSE_FILE.partition(".")[0]  # dbt's views name it
_MEMORY_MB = 512


@contextmanager
def open_snapshot(paths: DataPaths, snapshot_id: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a snapshot read-only, with closed months and the archive.

    Attached, not connected to: a process has one configuration for each file it connects to, and the service's readers
    have theirs. One thread, as readers need the cores.
    """
    file = str(paths.snapshots / snapshot_id / WAREHOUSE_FILE).replace("'", "''")
    config: dict[str, Any] = {"threads": "1", "memory_limit": f"{_MEMORY_MB}MB"}
    with closing(duckdb.connect(":memory:", config=config)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach '{file}' as {_CATALOG} (read_only)")
        connection.execute(f"use {_CATALOG}")
        connection.execute(f"set variable {VARIABLE} = ?", [str(paths.closed.resolve())])
        connection.execute(f"set variable {ARCHIVE_VARIABLE} = ?", [str(paths.archive.resolve())])
        yield connection

"""A DuckDB connection with no way out of its file."""

from pathlib import Path

import duckdb

from ingestion.archive.ledger import DEPARTMENT
from ingestion.archive.ledger import VARIABLE as ARCHIVE_VARIABLE
from ingestion.archive.received_file import department_sql
from ingestion.closed_months import VARIABLE
from ingestion.paths import DataPaths


def connect_sandbox(
    file: Path, *, threads: int, memory_mb: int, closed_months: Path | None = None
) -> duckdb.DuckDBPyConnection:
    """Connect read-only in a sandbox: no other file, no network, no extension, no setting, nothing spilled to disk.

    A snapshot with closed months may also read the folder `closed_months`, and `archive` beside it. DuckDB would allow
    COPY into them too: the guard refuses COPY, and the files are read-only.
    """
    connection = duckdb.connect(
        str(file),
        read_only=True,
        config={
            "threads": str(threads),
            "memory_limit": f"{memory_mb}MB",
            "temp_directory": "",
            "autoload_known_extensions": "false",
            "autoinstall_known_extensions": "false",
            "python_enable_replacements": "false",  # else a table's name could mean a Python variable
        },
    )
    # GLOBAL, because each cursor has its own session; connect() does not take these settings.
    connection.execute("set global TimeZone = 'UTC'")
    if closed_months is not None:
        # Read each file's footer once, not at each query: the files never change.
        connection.execute("set global parquet_metadata_cache = true")
        connection.execute("set allowed_directories = [?, ?]", [f"{closed_months}/", f"{_archive(closed_months)}/"])
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection


def open_cursor(
    connection: duckdb.DuckDBPyConnection, closed_months: Path | None, station: str | None = None
) -> duckdb.DuckDBPyConnection:
    """Open a session that finds the closed months where they are now: the data directory may have been moved.

    One that asks about one `station` opens the archive's files of its département only.
    """
    cursor = connection.cursor()
    if closed_months is not None:
        cursor.execute(f"set variable {VARIABLE} = ?", [str(closed_months)])
        cursor.execute(f"set variable {ARCHIVE_VARIABLE} = ?", [str(_archive(closed_months))])
        if station is not None:
            cursor.execute(f"set variable {DEPARTMENT} = {department_sql('?::varchar')}", [station] * 3)
    return cursor


def _archive(closed_months: Path) -> Path:
    return DataPaths(closed_months.parent).archive

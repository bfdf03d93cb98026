"""A DuckDB connection with no way out of its file."""

from pathlib import Path

import duckdb

from ingestion.closed_months import VARIABLE


def connect_sandbox(
    file: Path, *, threads: int, memory_mb: int, closed_months: Path | None = None
) -> duckdb.DuckDBPyConnection:
    """Connect read-only and closed: no other file, no network, no extension, no setting, nothing spilled to disk.

    A snapshot with closed months reads their files: then the folder `closed_months` may be read too, and only that.
    DuckDB allows COPY into such a folder as well; that callers send no COPY is the guard's part, and the files
    are read-only.
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
            "python_enable_replacements": "false",  # a table's name never means a variable of this program
        },
    )
    # GLOBAL, because each cursor is a session of its own; connect() itself does not take these.
    connection.execute("set global TimeZone = 'UTC'")
    if closed_months is not None:
        # Each file's footer is read once, not at each query; the files never change.
        connection.execute("set global parquet_metadata_cache = true")
        connection.execute("set allowed_directories = [?]", [f"{closed_months}/"])
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection


def open_cursor(connection: duckdb.DuckDBPyConnection, closed_months: Path | None) -> duckdb.DuckDBPyConnection:
    """A session of its own, which finds closed months where they are now: the data directory may have been moved."""
    cursor = connection.cursor()
    if closed_months is not None:
        cursor.execute(f"set variable {VARIABLE} = ?", [str(closed_months)])
    return cursor

"""A DuckDB connection with no way out of its file."""

from pathlib import Path

import duckdb


def connect_closed(file: Path, *, threads: int, memory_mb: int) -> duckdb.DuckDBPyConnection:
    """Connect read-only and closed: no other file, no network, no extension, no setting, nothing spilled to disk."""
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
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection

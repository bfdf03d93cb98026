"""The service's own check of a snapshot: only this may condemn one.

`python -m api.warehouse.open.check FILE CLOSED_MONTHS` reads every block in a process of its own, on a connection of
its own, and prints what is wrong. Exit 0: the file is well. Exit 1: it is damaged.
"""

import contextlib
import subprocess
import sys
from pathlib import Path

import duckdb

from api.warehouse.open.catalog import quoted
from api.warehouse.open.sandbox import connect_sandbox, open_cursor
from ingestion.storage import is_refusal
from orchestration.settings import ROOT

_MOST_SECONDS = 120
_MEMORY_MB = 512


def find_damage(file: Path, closed_months: Path | None) -> str | None:
    """Tell what is wrong with a snapshot's file, or None: it is well, or the machine could not find out."""
    command = [sys.executable, "-m", "api.warehouse.open.check", str(file.resolve()), str(closed_months or "")]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command, cwd=ROOT, capture_output=True, text=True, timeout=_MOST_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or "the check found it damaged" if done.returncode == 1 else None


def main() -> int:
    """Read each table, and each view over closed months, to its end."""
    file, closed_months = Path(sys.argv[1]), Path(sys.argv[2]) if sys.argv[2] else None
    try:
        with contextlib.closing(
            connect_sandbox(file, threads=1, memory_mb=_MEMORY_MB, closed_months=closed_months)
        ) as connection:
            cursor = open_cursor(connection, closed_months)
            for schema, name in cursor.execute(_names(closed_months)).fetchall():
                # A hash needs every value, so each block is read and its checksum compared.
                cursor.execute(f"select bit_xor(hash(r)) from {quoted(schema)}.{quoted(name)} as r").fetchall()
    except duckdb.OutOfMemoryException:
        return 2
    except duckdb.Error as error:
        print(error)  # noqa: T201 - for the parent
        return 2 if is_refusal(str(error)) else 1
    return 0


def _names(closed_months: Path | None) -> str:
    tables = "select schema_name, table_name from duckdb_tables() where not internal"
    views = "select schema_name, view_name from duckdb_views() where not internal"
    return f"{tables} union all {views} and sql ilike '%parquet%'" if closed_months else tables


if __name__ == "__main__":
    sys.exit(main())

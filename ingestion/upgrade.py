"""A build file of an older Girouette: it is rebuilt from the landing zone, which has the same form in all versions."""

from collections.abc import Callable
from pathlib import Path

import duckdb

from ingestion.paths import DataPaths
from ingestion.raw_store import connect, literal
from ingestion.source import RawTable
from ingestion.sources import RAW_TABLES

Say = Callable[[str], None]


def rename_outdated(paths: DataPaths) -> None:
    """Rename an outdated build file. The caller holds the lock, and then loads the landing zone into a new one."""
    with connect(paths.build_file) as connection:
        connection.execute("checkpoint")
    paths.build_file.replace(outdated_file(paths))


def outdated_file(paths: DataPaths) -> Path:
    """Name of the outdated build file until its successor holds all its hours."""
    return paths.build_file.with_name("outdated.duckdb")


def discard_when_replaced(paths: DataPaths, say: Say) -> None:
    """Delete the outdated build file, if there is one, unless it has hours that the landing zone lacks."""
    outdated = outdated_file(paths)
    if not outdated.exists():
        return
    missing = hours_missing(paths.build_file, outdated)
    if missing == 0:
        outdated.unlink()
        say(f"{paths.build_file} holds everything the old one did")
        return
    kept = outdated.with_name(f"kept-{outdated.name}")
    outdated.replace(kept)
    what = "could not be compared with the new one" if missing is None else f"knows {missing:,} hours more"
    say(f"the old build file {what}: it is kept as {kept}, as payloads are missing from the landing zone")


def hours_missing(new: Path, old: Path) -> int | None:
    """Count the station-hours that `old` holds and `new` lacks; None where `old` cannot be read."""
    with connect(new) as connection:
        try:
            connection.execute(f"attach {literal(old)} as old_file (read_only)")
            held = connection.execute(
                "select schema_name || '.' || table_name from duckdb_tables() where database_name = 'old_file'"
            ).fetchall()
            tables = [table for table in RAW_TABLES.values() if table.observed_at and (table.name,) in held]
            counts = [connection.execute(_missing(table)).fetchone() for table in tables]
        except duckdb.Error:  # a shape from before hours were kept this way
            return None
    return sum(int(counted[0]) for counted in counts if counted) if tables else None


def _missing(table: RawTable) -> str:
    key = ", ".join(table.key)
    return (
        f"select count(*) from ("
        f"select distinct {key} from old_file.{table.name} except select distinct {key} from {table.name})"
    )

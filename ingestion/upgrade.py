"""A build file of an older Girouette: it is rebuilt from the landing zone, which has the same form in all versions."""

from collections.abc import Callable
from pathlib import Path

import duckdb

from ingestion.paths import DataPaths
from ingestion.raw_store import connect, literal
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
            counted = connection.execute(f"select count(*) from ({_keys('old_file.')} except {_keys('')})").fetchone()
        except duckdb.Error:  # a shape from before hours were kept this way
            return None
    return int(counted[0]) if counted else None


def _keys(file: str) -> str:
    return " union all ".join(
        f"select distinct {', '.join(table.key)} from {file}{table.name}"
        for table in RAW_TABLES.values()
        if table.observed_at
    )

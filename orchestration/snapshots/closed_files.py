"""Closed months in a snapshot: one view over the recent table and the closed files, and files nobody names any more."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import duckdb

from ingestion.archive.ledger import read_ledger
from ingestion.closed_months import VARIABLE, ClosedFile, missing_files, recent_name
from ingestion.errors import ClosedMonthDamaged
from ingestion.paths import DataPaths
from ingestion.raw_store import connect, literal
from orchestration.snapshots.snapshots import kept_snapshots

# A reader may have a snapshot open that was discarded, and reads its files still.
GRACE = timedelta(days=1)

_UNUSED_SINCE = "unused.json"


def files_by_table(files: Sequence[str]) -> Mapping[str, list[str]]:
    """Sort closed files, `closed/<schema>.<table>/<month>-<digest>.parquet`, by `schema.table`."""
    by_table: dict[str, list[str]] = defaultdict(list)
    for file in files:
        by_table[PurePosixPath(file).parent.name].append(file)
    return by_table


def unite_closed(file: Path, paths: DataPaths, closed: Sequence[ClosedFile]) -> None:
    """Make a snapshot's file, not published yet, show closed months and recent ones as one table each."""
    if missing := next(missing_files(paths, (part.file for part in closed)), None):
        raise ClosedMonthDamaged(missing, "is missing")
    with connect(file) as connection:
        for table, files in files_by_table([part.file for part in closed]).items():
            schema, name = table.split(".")
            columns = connection.execute(f"select column_name from (describe {table})").fetchall()
            comments = _comments(connection, schema, name)
            connection.execute(f"alter table {table} rename to {recent_name(name)}")
            connection.execute(
                f"create view {table} as select * from {schema}.{recent_name(name)} union all by name "
                + closed_rows(files, paths, stations="marts.stations" if ("station_name",) in columns else None)
            )
            for target, comment in comments:
                connection.execute(f"comment on {target} is {literal(comment)}")
        connection.execute("checkpoint")


def _comments(connection: duckdb.DuckDBPyConnection, schema: str, name: str) -> list[tuple[str, str]]:
    """Read a table's comments as targets for the view that takes its name, which would have none."""
    return connection.execute(
        """
        select 'view ' || schema_name || '.' || table_name, comment
        from duckdb_tables() where schema_name = $schema and table_name = $name and comment is not null
        union all
        select 'column ' || schema_name || '.' || table_name || '."' || column_name || '"', comment
        from duckdb_columns() where schema_name = $schema and table_name = $name and comment is not null
        """,
        {"schema": schema, "name": name},
    ).fetchall()


def closed_rows(files: Sequence[str], paths: DataPaths, stations: str | None) -> str:
    """SELECT the rows of closed files; a renamed station renames its history, from the table `stations`.

    The files are looked for where they are now, or where the variable `closed_months` says: a snapshot that was moved
    or downloaded is read after `set variable closed_months = '<folder>'`.
    """
    # Absolute, as DuckDB looks for relative names where its reader was started.
    folder = literal(paths.closed.resolve())
    listed = ", ".join(literal(PurePosixPath(file).relative_to(paths.closed.name).as_posix()) for file in files)
    rows = (
        f"read_parquet(list_transform([{listed}],"
        f" lambda file: coalesce(getvariable('{VARIABLE}'), {folder}) || '/' || file))"
    )
    if stations is None:
        return f"select * from {rows}"
    return (
        f"select closed.* replace (stations.station_name as station_name) from {rows} as closed"
        f" left join {stations} as stations on closed.station_id = stations.station_id"
    )


def discard_unused(paths: DataPaths) -> list[Path]:
    """Delete the closed and archive files that nothing has named for a day; return them.

    Called right after a publication: what the build file's registry names, the newest snapshot names too. Files of the
    archive that no snapshot reads yet are named by its ledger.
    """
    if not paths.closed.exists() and not paths.archive.exists():
        return []
    named = {file for manifest in kept_snapshots(paths) for file in manifest.shared_files}
    named |= set(read_ledger(paths).parquet_files())
    now = datetime.now(UTC)
    known = _read_unused(paths)
    present = [*paths.closed.glob("*/*"), *(path for path in paths.archive.glob("*/**/*") if path.is_file())]
    unused = {
        file: known.get(file, now) for path in present if (file := path.relative_to(paths.root).as_posix()) not in named
    }
    old = [paths.root / file for file, since in unused.items() if now - since >= GRACE]
    for path in old:
        path.unlink()
    kept = {file: since.isoformat() for file, since in unused.items() if now - since < GRACE}
    paths.closed.mkdir(exist_ok=True)
    partial = paths.closed / f".{_UNUSED_SINCE}.partial"
    partial.write_text(json.dumps(kept, indent=1))
    partial.replace(paths.closed / _UNUSED_SINCE)
    return old


def _read_unused(paths: DataPaths) -> dict[str, datetime]:
    try:
        told = json.loads((paths.closed / _UNUSED_SINCE).read_text())
        return {file: datetime.fromisoformat(since) for file, since in told.items()}
    except (OSError, ValueError, AttributeError):  # lost or cut: the day of grace begins again
        return {}

"""What changed between two snapshots: rows added, changed and removed, table by table."""

import threading
from collections.abc import Sequence
from typing import Any

import duckdb

from api.warehouse.open.catalog import Relation, quoted
from api.warehouse.open.execute import Deadlines
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import Busy, ReadFailed, SnapshotGone, TooLarge, TooSlow
from api.warehouse.settings import WarehouseSettings
from ingestion.closed_months import recent_name
from ingestion.raw_store import literal
from ingestion.sources import RAW_TABLES
from orchestration.snapshots.closed_files import closed_rows, files_by_table

# What makes two rows the same thing at two times; a table that is not named is compared by whole rows,
# where a changed row counts as one removed and one added.
_KEYS = {
    **{table.name: (*table.key, "version") for table in RAW_TABLES.values()},
    "raw.departments": ("code",),
    "marts.stations": ("station_id",),
    "marts.hourly_observations": ("station_id", "observed_at"),
    "marts.latest_observations": ("station_id",),
    "marts.daily_observations": ("station_id", "observed_date"),
    "meta.loads": ("load_id",),
    "meta.builds": ("build_id",),
}

# Each comparison opens both files once more, with memory of its own.
_one_at_a_time = threading.Lock()


def compare(
    before: OpenSnapshot, after: OpenSnapshot, settings: WarehouseSettings, deadlines: Deadlines
) -> list[dict[str, Any]]:
    """Compare the tables of two snapshots, but for intermediate ones; a table only one has is all new or gone."""
    if not _one_at_a_time.acquire(timeout=settings.read_queue_seconds):
        raise Busy(settings.read_queue_seconds)
    try:
        return _compare(before, after, settings, deadlines)
    finally:
        _one_at_a_time.release()


def _compare(
    before: OpenSnapshot, after: OpenSnapshot, settings: WarehouseSettings, deadlines: Deadlines
) -> list[dict[str, Any]]:
    tables = [r for snapshot in (before, after) for r in snapshot.relations.values() if r.kind == "table"]
    names = sorted({relation.full_name for relation in tables if relation.schema != "intermediate"})
    connection = duckdb.connect(config={"threads": str(settings.read_threads), "temp_directory": ""})
    try:
        connection.execute(f"set memory_limit = '{settings.read_memory_mb}MB'")
        connection.execute(f"attach {literal(before.file.resolve())} as before (read_only)")
        connection.execute(f"attach {literal(after.file.resolve())} as after (read_only)")
        if folder := before.closed_months or after.closed_months:
            connection.execute("set allowed_directories = [?]", [f"{folder}/"])
        connection.execute("set enable_external_access = false")
        with deadlines.limit(connection, settings.read_seconds):
            return [_compare_table(connection, name, before, after) for name in names]
    except duckdb.InterruptException as error:
        raise TooSlow(settings.read_seconds) from error
    except duckdb.OutOfMemoryException as error:
        raise TooLarge(settings.read_memory_mb) from error
    except duckdb.Error as error:
        if gone := next((snapshot for snapshot in (before, after) if not snapshot.file.exists()), None):
            raise SnapshotGone(gone.id, "before" if gone is before else "after") from error
        raise ReadFailed(str(error).partition("\n")[0]) from error
    finally:
        connection.close()


def _compare_table(
    connection: duckdb.DuckDBPyConnection, name: str, older: OpenSnapshot, newer: OpenSnapshot
) -> dict[str, Any]:
    before, after = older.relations.get(name), newer.relations.get(name)
    counts: Sequence[Any]
    if before is None or after is None:
        only = before or after
        rows = only.rows if only else 0
        counts = (rows, 0, 0) if before is None else (0, 0, rows)
        return {"table": name, "key": None, "added": counts[0], "changed": counts[1], "removed": counts[2]}
    shared = [column.name for column in after.columns if column.name in before.by_name]
    key = [column for column in _KEYS.get(name, shared) if column in shared] or shared
    # Compared by what both have: a new column is not a change of every row.
    digest = f"hash({', '.join(quoted(column) for column in shared)})"
    sides = [
        f"select {', '.join(quoted(column) for column in key)}, {digest} as digest, count(*) as times"
        f" from {rows} group by all"
        for rows in (_rows_of("before", older, before, newer), _rows_of("after", newer, after, older))
    ]
    same_key = " and ".join(f"b.{quoted(column)} is not distinct from a.{quoted(column)}" for column in key)
    row = connection.execute(
        f"with b as ({sides[0]}), a as ({sides[1]})"
        " select coalesce(sum(greatest(coalesce(a.times, 0) - coalesce(b.times, 0), 0)), 0)::bigint,"
        " count(*) filter (a.digest <> b.digest),"
        " coalesce(sum(greatest(coalesce(b.times, 0) - coalesce(a.times, 0), 0)), 0)::bigint"
        f" from b full outer join a on {same_key}"
    ).fetchone()
    added, changed, removed = row or (0, 0, 0)
    counts = (added, changed + _renamed(connection, name, older, newer, after), removed)
    is_keyed = name in _KEYS
    return {
        "table": name,
        "key": key if is_keyed else None,
        "added": counts[0],
        "changed": counts[1] if is_keyed else None,
        "removed": counts[2],
        "columns_added": [column.name for column in after.columns if column.name not in before.by_name],
        "columns_removed": [column.name for column in before.columns if column.name not in after.by_name],
    }


def _rows_of(side: str, snapshot: OpenSnapshot, relation: Relation, other: OpenSnapshot) -> str:
    """A table's rows on one side, without the closed months that both snapshots read from the same files."""
    files = files_by_table(snapshot.manifest.closed).get(relation.full_name)
    if files is None:
        return f"{side}.{relation.sql}"
    rows = f"select * from {side}.{quoted(relation.schema)}.{quoted(recent_name(relation.name))}"
    if own := [file for file in files if file not in other.manifest.closed]:
        stations = f"{side}.marts.stations" if "station_name" in relation.by_name else None
        rows += f" union all by name {closed_rows(own, snapshot.paths, stations)}"
    return f"({rows})"


def _renamed(
    connection: duckdb.DuckDBPyConnection, name: str, before: OpenSnapshot, after: OpenSnapshot, relation: Relation
) -> int:
    """Rows of closed months that both snapshots read and that changed with their station's name."""
    shared = [file for file in files_by_table(after.manifest.closed).get(name, ()) if file in before.manifest.closed]
    if not shared or "station_name" not in relation.by_name:
        return 0
    row = connection.execute(
        f"select count(*) from ({closed_rows(shared, after.paths, None)}) as closed where closed.station_id in ("
        "select station_id from before.marts.stations as b full outer join after.marts.stations as a"
        " using (station_id) where a.station_name is distinct from b.station_name)"
    ).fetchone()
    return int(row[0]) if row else 0

"""What changed between two snapshots: rows added, changed and removed, table by table."""

from collections.abc import Sequence
from typing import Any

import duckdb

from api.warehouse.catalog import Relation, quoted
from api.warehouse.execute import Deadlines
from api.warehouse.problems import TooLarge, TooSlow
from api.warehouse.settings import WarehouseSettings
from api.warehouse.snapshot import OpenSnapshot

# What makes two rows the same thing at two times; a table that is not named is compared by whole rows,
# where a changed row counts as one removed and one added.
_KEYS = {
    "raw.observations": ("geo_id_insee", "observed_at", "version"),
    "raw.stations": ("Id_station", "version"),
    "raw.departments": ("code",),
    "marts.stations": ("station_id",),
    "marts.hourly_observations": ("station_id", "observed_at"),
    "marts.latest_observations": ("station_id",),
    "marts.daily_observations": ("station_id", "observed_date"),
    "meta.loads": ("load_id",),
    "meta.builds": ("build_id",),
}


def compare(
    before: OpenSnapshot, after: OpenSnapshot, settings: WarehouseSettings, deadlines: Deadlines
) -> list[dict[str, Any]]:
    """Compare the tables of two snapshots, but for intermediate ones; a table only one has is all new or gone."""
    tables = [r for snapshot in (before, after) for r in snapshot.relations.values() if r.kind == "table"]
    names = sorted({relation.full_name for relation in tables if relation.schema != "intermediate"})
    connection = duckdb.connect(config={"threads": str(settings.read_threads), "temp_directory": ""})
    try:
        connection.execute(f"set memory_limit = '{settings.read_memory_mb}MB'")
        connection.execute(f"attach '{_literal(before)}' as before (read_only)")
        connection.execute(f"attach '{_literal(after)}' as after (read_only)")
        connection.execute("set enable_external_access = false")
        with deadlines.limit(connection, settings.read_seconds):
            return [
                _compare_table(connection, name, before.relations.get(name), after.relations.get(name))
                for name in names
            ]
    except duckdb.InterruptException as error:
        raise TooSlow(settings.read_seconds) from error
    except duckdb.OutOfMemoryException as error:
        raise TooLarge(settings.read_memory_mb) from error
    finally:
        connection.close()


def _literal(snapshot: OpenSnapshot) -> str:
    return str(snapshot.file.resolve()).replace("'", "''")


def _compare_table(
    connection: duckdb.DuckDBPyConnection, name: str, before: Relation | None, after: Relation | None
) -> dict[str, Any]:
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
        f" from {side}.{relation.sql} group by all"
        for side, relation in (("before", before), ("after", after))
    ]
    same_key = " and ".join(f"b.{quoted(column)} is not distinct from a.{quoted(column)}" for column in key)
    row = connection.execute(
        f"with b as ({sides[0]}), a as ({sides[1]})"
        " select coalesce(sum(greatest(coalesce(a.times, 0) - coalesce(b.times, 0), 0)), 0)::bigint,"
        " count(*) filter (a.digest <> b.digest),"
        " coalesce(sum(greatest(coalesce(b.times, 0) - coalesce(a.times, 0), 0)), 0)::bigint"
        f" from b full outer join a on {same_key}"
    ).fetchone()
    counts = row or (0, 0, 0)
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

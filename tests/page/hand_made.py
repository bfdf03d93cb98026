"""A snapshot in memory whose few rows a test writes by hand."""

from pathlib import Path

import duckdb

from api.warehouse.open.snapshot import OpenSnapshot
from orchestration.snapshots.snapshots import Manifest


def hand_made(*statements: str, newest: str | None = None) -> OpenSnapshot:
    connection = duckdb.connect()
    connection.execute("set global TimeZone = 'UTC'")
    connection.execute("create schema marts")
    connection.execute("create schema meta")
    for statement in statements:
        connection.execute(statement)
    return OpenSnapshot(Manifest("by-hand", 1, "", "demo", {}, 0, newest_observation=newest), Path(), connection)

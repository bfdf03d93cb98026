"""How a packet is compared with what is known: what grows with its square is slow for all of France."""

from typing import Any

import duckdb

from ingestion import load


class Explained:
    """A connection that notes how DuckDB goes about making its temporary tables."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection, self.plans = connection, []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)

    def execute(self, sql: str, *parameters: Any) -> Any:
        if "create or replace temp table" in sql:
            self.plans += [plan for _, plan in self.connection.execute(f"explain {sql}", *parameters).fetchall()]
        return self.connection.execute(sql, *parameters)


def test_a_packet_is_compared_by_its_keys_not_every_row_with_every_other(warehouse, row, monkeypatch):
    warehouse.load(row(), row("09225001"))
    explained = []
    merge = load.merge_rows

    def merge_explained(connection: duckdb.DuckDBPyConnection, *arguments: Any, **options: Any) -> Any:
        explained.append(Explained(connection))
        return merge(explained[-1], *arguments, **options)

    monkeypatch.setattr(load, "merge_rows", merge_explained)
    assert warehouse.load(row(t="282.15"), row("09225001")).counts.changed == 1
    [packet] = explained
    assert any("HASH_JOIN" in plan for plan in packet.plans)
    assert not [plan for plan in packet.plans if "NL_JOIN" in plan or "NESTED_LOOP" in plan]

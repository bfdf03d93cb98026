"""The published tables and views: which there are, what their columns mean, how many rows they have."""

from typing import Any

from api.address import at
from api.warehouse.open.catalog import Column, Relation
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import NotFound


def relation_of(snapshot: OpenSnapshot, schema: str, name: str) -> Relation:
    """Find a table or view of the snapshot; raises NotFound with the nearest."""
    relation = snapshot.relations.get(f"{schema}.{name}")
    if relation is None:
        known = list(snapshot.relations)
        raise NotFound("table", f"{schema}.{name}", known, field="table", look_at="/warehouse/tables")
    return relation


def describe(relation: Relation) -> dict[str, Any]:
    """One line of the list of tables. A view's rows are counted when it is asked for alone."""
    return {
        "schema": relation.schema,
        "name": relation.name,
        "kind": relation.kind,
        "description": relation.description,
        "rows": relation.rows,
        "tests": list(relation.tests),
        "columns": [_describe_column(column) for column in relation.columns],
        "href": at(f"/warehouse/tables/{relation.schema}/{relation.name}"),
    }


def count_rows(snapshot: OpenSnapshot, executor: Executor, relation: Relation) -> int:
    """Rows of a table or view."""
    if relation.rows is not None:
        return relation.rows
    (row,) = executor.fetch_dicts(snapshot, f"select count(*) as rows from {relation.sql}")
    return int(row["rows"])


def _describe_column(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "nullable": column.is_nullable,
        "description": column.description,
        "tests": list(column.tests),
    }

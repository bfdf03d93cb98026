"""What a snapshot holds: its tables, views and columns, with dbt's descriptions and tests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import Any

import duckdb

from ingestion.closed_months import is_recent_name, recent_name
from orchestration.closed_months.growing_tables import GROWING

# Grouped here in Python: joining and grouping in DuckDB took half as long again.
_COLUMNS = """
select schema_name, table_name, column_name, data_type, is_nullable
from duckdb_columns()
where not internal and schema_name <> 'main'
order by schema_name, table_name, column_index
"""
_TABLES = "select schema_name, table_name, estimated_size from duckdb_tables() where not internal"


@dataclass(frozen=True)
class Column:
    """One column; `tests` are dbt's tests and the constraints that DuckDB enforced at writing."""

    name: str
    type: str
    is_nullable: bool
    description: str | None = None
    tests: tuple[str, ...] = ()

    @property
    def is_nested(self) -> bool:
        """Whether a cell holds more than one value."""
        return self.type.endswith("]") or self.type.startswith(("STRUCT", "MAP", "UNION", "VARIANT"))


@dataclass(frozen=True)
class Relation:
    """One table or view of a published schema."""

    schema: str
    name: str
    kind: str
    rows: int | None
    columns: tuple[Column, ...]
    description: str | None = None
    tests: tuple[str, ...] = field(default=())
    key: tuple[str, ...] | None = None  # identifies rows where closed months leave no rowid

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def sql(self) -> str:
        """The name, quoted for SQL."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        return {column.name: column for column in self.columns}


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def read_relations(
    cursor: duckdb.DuckDBPyConnection, docs: Mapping[str, Any], row_counts: Mapping[str, int]
) -> dict[str, Relation]:
    """Read every published table and view; `docs` are dbt's, by `schema.name`."""
    tables = {(schema, name): size for schema, name, size in cursor.execute(_TABLES).fetchall()}
    found = groupby(cursor.execute(_COLUMNS).fetchall(), key=itemgetter(0, 1))
    columns_of = {key: [column[2:] for column in columns] for key, columns in found}
    relations = {}
    for (schema, name), columns in columns_of.items():
        if is_recent_name(name):
            continue
        full_name = f"{schema}.{name}"
        doc = docs.get(full_name, {})
        # To readers, a view over the recent part of a table and its closed months is that table.
        recent = columns_of.get((schema, recent_name(name)))
        is_table = (schema, name) in tables or recent is not None
        relation = Relation(
            schema=schema,
            name=name,
            kind="table" if is_table else "view",
            rows=row_counts.get(full_name, tables.get((schema, name))) if is_table else None,
            columns=tuple(
                _column(column, kind, is_nullable, doc.get("columns", {}))
                for column, kind, is_nullable in recent or columns
            ),
            description=doc.get("description"),
            tests=tuple(doc.get("tests", ())),
            key=GROWING[full_name].key if recent else None,
        )
        relations[relation.full_name] = relation
    return relations


def _column(name: str, type: str, is_nullable: bool, docs: Mapping[str, Any]) -> Column:
    doc = docs.get(name, {})
    return Column(
        name=name,
        type=type,
        is_nullable=is_nullable,
        description=doc.get("description"),
        tests=tuple(doc.get("tests", ())),
    )

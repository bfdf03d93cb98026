"""What a snapshot holds: its tables, views and columns, with dbt's descriptions and tests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import duckdb

from ingestion.closed_months import is_recent_name, recent_name
from orchestration.growing_tables import GROWING

# Written once, here: names of schemas come from the file.
_RELATIONS = """
select columns.schema_name, columns.table_name, tables.table_name is not null as is_table, tables.estimated_size,
    list({name: column_name, type: data_type, nullable: is_nullable} order by column_index) as columns
from duckdb_columns() as columns
left join duckdb_tables() as tables using (table_oid, schema_name, table_name, database_name)
where not columns.internal and columns.schema_name <> 'main'
group by all
order by columns.schema_name, columns.table_name
"""


@dataclass(frozen=True)
class Column:
    """One column; `tests` are dbt's tests and the constraints DuckDB enforced while it was written."""

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
    key: tuple[str, ...] | None = None  # tells the rows of a table with closed months apart, which has no rowid

    @property
    def full_name(self) -> str:
        """`schema.name`."""
        return f"{self.schema}.{self.name}"

    @property
    def sql(self) -> str:
        """The name as SQL writes it."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        """Columns by name."""
        return {column.name: column for column in self.columns}


def quoted(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


def read_relations(
    cursor: duckdb.DuckDBPyConnection, docs: Mapping[str, Any], row_counts: Mapping[str, int]
) -> dict[str, Relation]:
    """Read every published table and view; `docs` are dbt's, by `schema.name`."""
    found = {
        (schema, name): (is_table, size, columns)
        for schema, name, is_table, size, columns in cursor.execute(_RELATIONS).fetchall()
    }
    relations = {}
    for (schema, name), (is_table, size, columns) in found.items():
        if is_recent_name(name):
            continue
        full_name = f"{schema}.{name}"
        doc = docs.get(full_name, {})
        # A view over the recent part of a table and its closed months is that table, for whoever reads it.
        recent = found.get((schema, recent_name(name)))
        relation = Relation(
            schema=schema,
            name=name,
            kind="table" if is_table or recent else "view",
            rows=row_counts.get(full_name, size) if is_table or recent else None,
            columns=tuple(_column(column, doc.get("columns", {})) for column in (recent[2] if recent else columns)),
            description=doc.get("description"),
            tests=tuple(doc.get("tests", ())),
            key=GROWING[full_name].key if recent else None,
        )
        relations[relation.full_name] = relation
    return relations


def _column(column: Mapping[str, Any], docs: Mapping[str, Any]) -> Column:
    doc = docs.get(column["name"], {})
    return Column(
        name=column["name"],
        type=column["type"],
        is_nullable=column["nullable"],
        description=doc.get("description"),
        tests=tuple(doc.get("tests", ())),
    )

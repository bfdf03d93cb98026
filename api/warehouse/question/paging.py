"""Pages of a table or view: select, filters, order, limit and a cursor that gives every row exactly once.

A table is paged by the values of the order and DuckDB's `rowid`, which is unique and never changes in a snapshot:
each page is a range, however deep. A table with closed months has no rowid, so its key is used. A view has neither:
it is ordered by all its columns and paged by position. That is exact, because a snapshot does not change; deep pages
of large views sort again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

import duckdb
import pyarrow as pa

from api.warehouse.answer.cursors import Cursor
from api.warehouse.open.catalog import Column, Relation, quoted
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import BadValue
from api.warehouse.question.filters import Condition, column_of, placeholder, read_value
from api.warehouse.question.units import Selected
from ingestion.errors import printable

_KEY = "__key_"  # no column of the warehouse begins so
_ROWID = Column("rowid", "BIGINT", is_nullable=False)
_POSITION = Column("position", "UBIGINT", is_nullable=False)  # in a view, which has no rowid


@dataclass(frozen=True)
class Ordering:
    """One column of the order. NULL comes last, either way."""

    column: Column
    is_descending: bool = False

    @property
    def sql(self) -> str:
        """As ORDER BY writes it."""
        return f"{quoted(self.column.name)} {'desc' if self.is_descending else 'asc'} nulls last"


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How many rows a page has, and where it begins; `question` is what its cursor belongs to."""

    limit: int
    question: str
    cursor: Cursor | None = None


@dataclass(frozen=True, kw_only=True)
class Page(Bounds):
    """One page asked for."""

    relation: Relation
    selected: Sequence[Selected]
    conditions: Sequence[Condition]
    order: Sequence[Ordering]


def parse_order(relation: Relation, text: str | None) -> list[Ordering]:
    """Read `order=column,-column`."""
    orderings: dict[str, Ordering] = {}
    for part in (text or "").split(","):
        name = part.strip()
        if name:
            column = column_of(relation, name.lstrip("-+ "), "order")
            if column.is_nested:
                raise BadValue("order", f"{column.name} holds lists or structures", "order by another column")
            orderings.setdefault(column.name, Ordering(column, is_descending=name.startswith("-")))
    return list(orderings.values())


def read_page(snapshot: OpenSnapshot, executor: Executor, page: Page) -> tuple[pa.Table, str | None]:
    """Read one page; with it the cursor of the next, if there is one."""
    read = _read_table if page.relation.kind == "table" else _read_view
    try:
        return read(snapshot, executor, page)
    except duckdb.DataError as error:
        if not page.conditions and page.cursor is None:
            raise
        raise BadValue(
            "query", f"a value does not fit its column: {printable(str(error))}", "correct the filters or the cursor"
        ) from error


def _read_table(snapshot: OpenSnapshot, executor: Executor, page: Page) -> tuple[pa.Table, str | None]:
    order = [*page.order, *_last_resort(page)]
    source = Condition(page.relation.sql)
    return read_in_order(snapshot, executor, _names(page.selected), source, page.conditions, order, page)


def read_in_order(
    snapshot: OpenSnapshot,
    executor: Executor,
    columns: str,
    source: Condition,
    conditions: Sequence[Condition],
    order: Sequence[Ordering],
    bounds: Bounds,
    station: str | None = None,
) -> tuple[pa.Table, str | None]:
    """Read one page of a table or subquery in an order that is unique; with it the cursor of the next, if any."""
    kept = [*conditions, *([_after(order, bounds.cursor)] if bounds.cursor else [])]
    keys = [f"{quoted(o.column.name)} as {_KEY}{position}" for position, o in enumerate(order)]
    found = executor.fetch(
        snapshot,
        f"select {', '.join([columns, *keys])} from {source.sql}{_where(kept)}"
        f" order by {', '.join(o.sql for o in order)} limit {bounds.limit + 1}",
        [*source.params, *_params(kept)],
        station=station,
    )
    following = None
    if found.num_rows > bounds.limit and bounds.limit:
        values = [found.column(f"{_KEY}{position}")[bounds.limit - 1].as_py() for position in range(len(order))]
        following = str(Cursor(snapshot.id, bounds.question, tuple(_as_text(value) for value in values)))
    return found.slice(0, bounds.limit).select(range(found.num_columns - len(keys))), following


def _last_resort(page: Page) -> list[Ordering]:
    """Columns that order rows which are equal in the order asked for."""
    relation = page.relation
    if relation.key is None:
        return [Ordering(_ROWID)]
    taken = [ordering.column.name for ordering in page.order]
    return [Ordering(relation.by_name[name]) for name in relation.key if name not in taken]


def _read_view(snapshot: OpenSnapshot, executor: Executor, page: Page) -> tuple[pa.Table, str | None]:
    offset = 0
    if page.cursor is not None:
        (offset,) = _read_key([_POSITION], page.cursor)
    total = [*page.order, *(Ordering(c) for c in page.relation.columns if c not in [o.column for o in page.order])]
    found = executor.fetch(
        snapshot,
        f"select {_names(page.selected)} from {page.relation.sql}{_where(page.conditions)}"
        f" order by {', '.join(o.sql for o in total)} limit {page.limit + 1} offset {offset}",
        _params(page.conditions),
    )
    following = None
    if found.num_rows > page.limit and page.limit:
        following = str(Cursor(snapshot.id, page.question, (offset + page.limit,)))
    return found.slice(0, page.limit), following


def _after(order: Sequence[Ordering], cursor: Cursor) -> Condition:
    """The rows behind a key, in an order where NULL comes last: first difference decides."""
    key = _read_key([ordering.column for ordering in order], cursor)
    ways: list[str] = []
    params: list[Any] = []
    for position, ordering in enumerate(order):
        if key[position] is None:
            continue  # nothing comes after NULL but by the columns that follow
        same = [f"{quoted(o.column.name)} is not distinct from {placeholder(o.column)}" for o in order[:position]]
        name = quoted(ordering.column.name)
        beyond = f"{name} {'<' if ordering.is_descending else '>'} {placeholder(ordering.column)}"
        ways.append(" and ".join([*same, f"({beyond} or {name} is null)"]))
        params.extend(key[: position + 1])
    return Condition(f"({' or '.join(ways)})", tuple(params))


def _read_key(columns: Sequence[Column], cursor: Cursor) -> list[Any]:
    """Read each value of a cursor as one of its column: callers may send a cursor that they changed."""
    if len(cursor.key) != len(columns):
        raise _bad_cursor()
    values: list[Any] = []
    for column, value in zip(columns, cursor.key, strict=True):
        if value is None and not column.is_nullable:
            raise _bad_cursor()
        values.append(None if value is None else read_value(column, str(value), "cursor", "UTC"))
    if all(value is None for value in values):
        raise _bad_cursor()
    return values


def _names(selected: Sequence[Selected]) -> str:
    return ", ".join(f"{item.sql} as {quoted(item.name)}" for item in selected)


def _where(conditions: Sequence[Condition]) -> str:
    return f" where {' and '.join(condition.sql for condition in conditions)}" if conditions else ""


def _params(conditions: Sequence[Condition]) -> list[Any]:
    return [value for condition in conditions for value in condition.params]


def _as_text(value: Any) -> str | int | None:
    """A key's value as text that DuckDB casts back to exactly the same value."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    return value.isoformat() if isinstance(value, datetime | date | time) else str(value)


def _bad_cursor() -> BadValue:
    return BadValue("cursor", "it does not fit this question", "begin again without a cursor")

"""Makes any table writable: polars panics at instants beyond its calendar, and has no JSON for some nested types.

Judged by a list of what polars can write; all else (maps, tuples, lists of blobs, types to come) DuckDB writes.
"""

from collections import Counter
from collections.abc import Sequence
from functools import cache

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

_EMPTY_MAP = "{}"
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896  # 0001-01-01 and 9999-12-31, in days from 1970
_TICKS_A_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000}  # years in nanoseconds always fit


def within_calendar(table: pa.Table) -> pa.Table:
    """Replace dates and instants outside the years 1 to 9999 (`infinity`, the year 290000) by null."""
    for position, column in enumerate(table.schema):
        if pa.types.is_temporal(column.type) and (is_possible := _is_in_calendar(table.column(position))) is not None:
            nothing = pa.scalar(None, column.type)
            kept = pc.if_else(is_possible, table.column(position), nothing)
            table = table.set_column(position, column, kept)
    return table


def written_by_duckdb(table: pa.Table) -> dict[str, list[str | None]]:
    """Write as JSON text each column that polars cannot; by name."""
    names = [name for name in table.column_names if not _is_writable(table.column(name).combine_chunks())]
    if not names:
        return {}
    with _writer().cursor() as connection:
        return {name: _texts(connection, table.column(name).combine_chunks()) for name in names}


def _texts(connection: duckdb.DuckDBPyConnection, values: pa.Array) -> list[str | None]:
    texts: list[str | None] = [_EMPTY_MAP] * len(values)
    told = pa.array(range(len(values)))
    if pa.types.is_map(values.type):  # most are empty, and DuckDB need not say so of each
        lengths = pc.subtract(values.offsets[1:], values.offsets[:-1])
        told = told.filter(pc.or_(pc.not_equal(lengths, 0), pc.is_null(values)))
    if len(told):
        connection.register("odd", pa.table({"c": values.take(told)}))
        # Tuples have fields without names: no JSON object, so they are given as DuckDB shows them: "(1, 2)".
        column = "c::varchar" if _is_tuple(values.type) else "c"
        rows = connection.execute(f"select to_json({column})::varchar from odd").fetchall()
        for position, (text,) in zip(told.to_pylist(), rows, strict=True):
            texts[position] = text
    return texts


@cache
def _writer() -> duckdb.DuckDBPyConnection:
    """An empty database that all answers share: opening one takes 10 ms, a cursor of it none."""
    return duckdb.connect(config={"threads": "1"})


def _is_in_calendar(values: pa.Array | pa.ChunkedArray) -> pa.Array | None:
    """Which values are in the calendar; None when all are."""
    kind = values.type
    if pa.types.is_date32(kind):
        ticks, a_day = values.cast(pa.int32()), 1
    elif pa.types.is_timestamp(kind) and kind.unit in _TICKS_A_DAY:
        ticks, a_day = values.cast(pa.int64()), _TICKS_A_DAY[kind.unit]
    else:
        return None
    range_ = pc.min_max(ticks).as_py()
    first, last = _FIRST_DAY * a_day, (_LAST_DAY + 1) * a_day - 1
    if range_["min"] is None or (first <= range_["min"] and range_["max"] <= last):
        return None
    return pc.and_(pc.greater_equal(ticks, first), pc.less_equal(ticks, last))


def _is_writable(values: pa.Array, *, is_nested: bool = False) -> bool:
    kind, types = values.type, pa.types
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _is_writable(values.flatten(), is_nested=True)
    if types.is_struct(kind):
        fields = (values.field(position) for position in range(kind.num_fields))
        return not _is_tuple(kind) and all(_is_writable(field, is_nested=True) for field in fields)
    if types.is_date32(kind) or types.is_timestamp(kind):
        return _is_in_calendar(values) is None
    if types.is_binary(kind) or types.is_large_binary(kind):
        return not is_nested
    return bool(
        types.is_boolean(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_time(kind)
        or types.is_dictionary(kind)
        or types.is_null(kind)
    )


def _is_tuple(kind: pa.DataType) -> bool:
    """Whether a type holds a structure whose fields have no names of their own."""
    children: Sequence[pa.Field] = [kind.field(position) for position in range(kind.num_fields)]
    names = Counter(child.name for child in children) if pa.types.is_struct(kind) else Counter()
    return "" in names or any(count > 1 for count in names.values()) or any(_is_tuple(c.type) for c in children)

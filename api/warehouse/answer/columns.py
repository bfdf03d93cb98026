"""Columns made ready for their format: time zones, ISO 8601, numbers as numbers, cells safe in a spreadsheet."""

import re
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl
import pyarrow as pa

from api.warehouse.problems import BadValue

# What makes a spreadsheet take a text for a formula, unless the text is a number.
_FORMULA = r"^[=+\-@\t\r\n＝＋－＠]"
_NUMBER = r"^[+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?$"


def safe_name(name: str) -> str:
    """A column's name as a cell: callers' SQL may name a column like a formula, too."""
    return f"'{name}" if re.match(_FORMULA, name) else name


@lru_cache(maxsize=256)
def known_zone(name: str) -> str:
    """Check an IANA time zone's name; raises BadValue."""
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadValue("tz", f"“{name[:60]}” is not a time zone", "give an IANA name such as Europe/Paris") from error


def in_time_zone(table: pa.Table, tz: str) -> pa.Table:
    """Show every instant in the time zone asked for; the instants stay the same."""
    for position, column in enumerate(table.schema):
        if pa.types.is_timestamp(column.type) and column.type.tz is not None and column.type.tz != tz:
            zoned = table.column(position).cast(pa.timestamp(column.type.unit, tz))
            table = table.set_column(position, column.name, zoned)
    return table


def for_json(frame: pl.DataFrame) -> pl.DataFrame:
    """Make instants ISO 8601 with their offset and decimals numbers; polars does the rest (NaN becomes null)."""
    # Only the columns that change: an expression for each of a hundred costs more than writing them.
    return frame.with_columns(e for column in frame if (e := _for_json(column)) is not None)


def for_csv(frame: pl.DataFrame) -> pl.DataFrame:
    """The same for CSV: nested cells as JSON, no cell that a spreadsheet would run as a formula."""
    frame = for_json(frame)
    return frame.with_columns(e for name, dtype in frame.schema.items() if (e := _for_csv(name, dtype)) is not None)


def _for_json(values: pl.Series) -> pl.Expr | None:
    column, dtype = pl.col(values.name), values.dtype
    if isinstance(dtype, pl.Datetime):
        return _as_iso(column, dtype)
    if isinstance(dtype, pl.Decimal):
        return column.cast(pl.Int64 if dtype.scale == 0 and _fits_int64(values) else pl.Float64)
    if isinstance(dtype, pl.Time):
        return column.dt.strftime("%H:%M:%S%.f")
    if isinstance(dtype, pl.Binary):
        return column.bin.encode("base64")
    return None


def _fits_int64(values: pl.Series) -> bool:
    """Whether whole numbers of 38 digits, such as sums of integers, stay whole numbers."""
    return values.cast(pl.Int64, strict=False).null_count() == values.null_count()


def _as_iso(column: pl.Expr, dtype: pl.Datetime) -> pl.Expr:
    offset = "" if dtype.time_zone is None else "Z" if dtype.time_zone == "UTC" else "%:z"
    return column.dt.strftime(f"%Y-%m-%dT%H:%M:%S%.f{offset}")


def _for_csv(name: str, dtype: pl.DataType) -> pl.Expr | None:
    column = pl.col(name)
    if isinstance(dtype, pl.Float32 | pl.Float64):
        return pl.when(column.is_finite()).then(column).alias(name)
    if isinstance(dtype, pl.List | pl.Array | pl.Struct | pl.Map):
        # polars writes JSON of structs only: wrapped in one, then unwrapped.
        wrapped = pl.struct(column.alias("v")).struct.json_encode()
        return pl.when(column.is_not_null()).then(wrapped.str.slice(5).str.strip_suffix("}")).alias(name)
    if isinstance(dtype, pl.String):
        risky = column.str.contains(_FORMULA) & ~column.str.contains(_NUMBER)
        return pl.when(risky).then(pl.concat_str(pl.lit("'"), column)).otherwise(column).alias(name)
    return None

"""`?column__op=value`: callers' filters, checked against the columns and turned into SQL with bound values."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from rapidfuzz import fuzz, process

from api.warehouse.open.catalog import Column, Relation, quoted
from api.warehouse.problems import BadValue
from ingestion.errors import printable

_COMPARISONS = {"eq": "=", "ne": "<>", "lt": "<", "lte": "<=", "le": "<=", "gt": ">", "gte": ">=", "ge": ">="}
OPERATORS = (*_COMPARISONS, "in", "like", "contains", "isnull")
LONGEST_VALUE = 1_000
MOST_VALUES = 1_000

_WHOLE = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?)$")
_DATES: Mapping[str, type[date] | type[time]] = {"DATE": date, "TIME": time}


@dataclass(frozen=True)
class Condition:
    """One condition as SQL, and the values to bind."""

    sql: str
    params: tuple[Any, ...] = ()


def parse_filters(relation: Relation, parameters: Iterable[tuple[str, str]], tz: str) -> list[Condition]:
    """Turn query parameters into conditions; raises BadValue naming the parameter at fault."""
    return [_condition(relation, name, text, tz) for name, text in parameters]


def column_of(relation: Relation, name: str, field: str) -> Column:
    """Find a column, or say which come nearest."""
    column = relation.by_name.get(name)
    if column is None:
        close = [
            hit[0] for hit in process.extract(name, list(relation.by_name), scorer=fuzz.ratio, limit=3, score_cutoff=60)
        ]
        hint = f"did you mean {' or '.join(close)}? " if close else ""
        raise BadValue(
            field,
            f"{relation.full_name} has no column “{name[:60]}”",
            f"{hint}/warehouse/tables/{relation.schema}/{relation.name}?limit=0 lists its columns",
        )
    return column


def columns_of(relation: Relation, names: str | None, field: str) -> list[Column]:
    """Columns named in a comma-separated list; all of them without a list."""
    if names is None:
        return list(relation.columns)
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted:
        raise BadValue(field, "no column is named", "name columns, separated by commas, or leave it out")
    return [column_of(relation, name, field) for name in dict.fromkeys(wanted)]


def _condition(relation: Relation, parameter: str, text: str, tz: str) -> Condition:
    name, operator = parameter, "eq"
    if parameter not in relation.by_name and "__" in parameter:
        name, _, operator = parameter.rpartition("__")
    column = column_of(relation, name, parameter)
    if operator not in OPERATORS:
        raise BadValue(parameter, f"there is no operator “{operator[:20]}”", f"use one of {', '.join(OPERATORS)}")
    if operator == "isnull":
        return Condition(f"{quoted(name)} is {'' if _boolean(parameter, text) else 'not '}null")
    if column.is_nested:
        raise BadValue(parameter, f"{name} holds lists or structures", f"only {name}__isnull works on it")
    if operator in ("like", "contains"):
        return _text_condition(column, operator, parameter, text)
    if operator == "in":
        return any_of(column, [read_value(column, part, parameter, tz) for part in text.split(",")], parameter)
    value = read_value(column, text, parameter, tz)
    return Condition(f"{quoted(name)} {_COMPARISONS[operator]} {placeholder(column)}", (value,))


def any_of(column: Column, values: Sequence[Any], field: str) -> Condition:
    """The column is one of the values."""
    if len(values) > MOST_VALUES:
        raise BadValue(field, f"{len(values)} values are too many", f"give at most {MOST_VALUES}")
    return Condition(f"{quoted(column.name)} in ({', '.join([placeholder(column)] * len(values))})", tuple(values))


def _text_condition(column: Column, operator: str, parameter: str, text: str) -> Condition:
    if column.type != "VARCHAR":
        raise BadValue(parameter, f"{column.name} is no text ({column.type})", "compare it with lt, gt, eq or in")
    if len(text) > 200:
        raise BadValue(parameter, "the text is too long", "give at most 200 characters")
    if operator == "contains":
        return Condition(f"contains(lower({quoted(column.name)}), lower(?))", (text,))
    # Not `ilike`: DuckDB tries each way to place each `%`, which took minutes for eight of them and cannot be stopped.
    return Condition(f"regexp_full_match({quoted(column.name)}, ?, 'is')", (_as_regex(text),))


def _as_regex(pattern: str) -> str:
    """Write a LIKE pattern as a regular expression, which takes time in proportion to the text."""
    return "".join({"%": ".*", "_": "."}.get(letter) or re.escape(letter) for letter in pattern)


def placeholder(column: Column) -> str:
    """The bound value, in the column's own type, so that no row of the column is converted."""
    return f"cast(? as {column.type})"


def read_value(column: Column, text: str, field: str, tz: str) -> Any:
    """Read a caller's text as a value of the column's type, as text DuckDB casts without fail; raises BadValue."""
    if len(text) > LONGEST_VALUE:
        raise BadValue(field, "the value is too long", f"give at most {LONGEST_VALUE} characters")
    try:
        return _read(column.type, text.strip() if column.type != "VARCHAR" else text, field, tz)
    except (ValueError, InvalidOperation, OverflowError) as error:
        raise BadValue(
            field,
            f"“{printable(text, 60)}” is not a value of {column.name} ({column.type})",
            f"give {_example(column.type)}",
        ) from error


def _read(kind: str, text: str, field: str, tz: str) -> Any:
    if _WHOLE.match(kind):
        number = int(text)
        if not -(2**63) <= number < 2**63:
            raise ValueError(text)
        # A whole number too small or large for its type would fail as a cast: wide enough, it only finds nothing.
        return number if kind in ("BIGINT", "HUGEINT") else min(max(number, *_least(kind)), *_most(kind))
    if kind in ("DOUBLE", "FLOAT"):
        return float(text)
    if kind.startswith("DECIMAL"):
        return str(Decimal(text))
    if kind == "BOOLEAN":
        return _boolean(field, text)
    if kind.startswith("TIMESTAMP"):
        return read_instant(text, tz, naive=kind == "TIMESTAMP")
    if kind in _DATES:
        return _DATES[kind].fromisoformat(text)
    if kind == "UUID":
        return str(UUID(text))
    if kind == "JSON":
        orjson.loads(text)
    if kind in ("VARCHAR", "JSON") or kind.startswith("ENUM"):
        text.encode()  # half a character (a lone surrogate) cannot be bound
        return text
    raise ValueError(text)


def _least(kind: str) -> tuple[int]:
    bits = _BITS.get(kind.removeprefix("U"), 64)
    return (0,) if kind.startswith("U") else (-(2 ** (bits - 1)),)


def _most(kind: str) -> tuple[int]:
    bits = _BITS.get(kind.removeprefix("U"), 64)
    return (2**bits - 1,) if kind.startswith("U") else (2 ** (bits - 1) - 1,)


_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 64}


def read_instant(text: str, tz: str, *, naive: bool = False) -> datetime:
    """Read a date or a time as ISO 8601; without an offset it is in `tz`. `+` arrives as a blank in addresses."""
    moment = datetime.fromisoformat(re.sub(r" (\d\d:?\d\d)$", r"+\1", text) if text.count(":") > 1 else text)
    if naive:
        return moment.replace(tzinfo=None)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=ZoneInfo(tz))


def _boolean(field: str, text: str) -> bool:
    value = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(text.strip().lower())
    if value is None:
        raise BadValue(field, f"“{text[:20]}” is neither true nor false", "give true or false")
    return value


def _example(kind: str) -> str:
    if kind.startswith("TIMESTAMP"):
        return "a time such as 2026-11-23T06:00:00Z"
    if kind in _DATES:
        return "a date such as 2026-11-23" if kind == "DATE" else "a time such as 06:00"
    if kind == "JSON":
        return 'JSON text, such as {} or "a"'
    return "a number" if kind in ("DOUBLE", "FLOAT") or kind.startswith(("DECIMAL", "INT", "BIG")) else "another value"

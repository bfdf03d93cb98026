"""Units: metric as the marts have them, or SI as upstream sends them. The unit is in the name, so it decides."""

from collections.abc import Sequence
from dataclasses import dataclass

from api.warehouse.open.catalog import Column, Relation, quoted
from api.warehouse.open.units import Units
from api.warehouse.question.filters import column_of

# Suffix of the metric name, suffix of the SI name, and the conversion; rounding undoes binary arithmetic only.
_TO_SI = (
    ("_c", "_k", "round({} + 273.15, 2)"),
    ("_hpa", "_pa", "round({} * 100, 2)"),
    ("_cm", "_m", "round({} / 100, 4)"),
)
_DIFFERENCES = ("_change_", "_range_", "_difference_", "_deviation_")  # of temperatures: as many kelvins as degrees
_NOT_SI = "_kmh"  # its twin in m/s is there


@dataclass(frozen=True)
class Selected:
    """One column of an answer: the expression, and the name it goes by."""

    sql: str
    name: str


def as_is(column: Column) -> Selected:
    """A column unchanged."""
    return Selected(quoted(column.name), column.name)


def in_units(column: Column, units: Units) -> Selected:
    """A column in the units asked for, renamed when its unit changes."""
    if units == "si" and column.type in ("DOUBLE", "FLOAT"):
        for suffix, other, conversion in _TO_SI:
            if column.name.endswith(suffix):
                name = column.name.removesuffix(suffix) + other
                if suffix == "_c" and any(part in column.name for part in _DIFFERENCES):
                    return Selected(quoted(column.name), name)
                return Selected(conversion.format(quoted(column.name)), name)
    return as_is(column)


def select_fields(
    relation: Relation, fields: str | None, units: Units, *, always: Sequence[str], without: Sequence[str] = ()
) -> list[Selected]:
    """Columns of an answer: those named (by their metric or SI name) after those it always has, or all of them."""
    shown = [c for c in relation.columns if not (units == "si" and c.name.endswith(_NOT_SI))]
    if fields is None:
        return [in_units(column, units) for column in shown if column.name not in without]
    by_name = {in_units(column, units).name: column for column in shown} | dict(relation.by_name)
    asked = [name.strip() for name in fields.split(",") if name.strip()]
    chosen = {name: relation.by_name[name] for name in always if name in relation.by_name}
    for name in asked:
        column = by_name.get(name) or column_of(relation, name, "fields")
        chosen[column.name] = column
    return [in_units(column, units) for column in chosen.values()]

"""The same days of every year: a running month or season is compared with these, never with whole months."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from ingestion.archive import climate

_YEARS = range(1750, 2200)  # of any weather there is


@dataclass(frozen=True)
class Span:
    """One year's days: what they add up to or their mean, and how many are missing."""

    year: int
    value: float | None
    days: int
    missing_days: int
    missing_in_a_row: int
    is_whole: bool


def same_days(first: date, last: date) -> list[tuple[int, date, date]]:
    """The span in every year, by the year of its first day; one of more than a year has no other years."""
    if last - first >= timedelta(days=366):
        return [(first.year, first, last)]
    return [(year, _in_year(first, year), _in_year(last, year + last.year - first.year)) for year in _YEARS]


def _in_year(day: date, year: int) -> date:
    """The day in another year, in which the end of February may be the 28th."""
    return date(year, 3, 1) - timedelta(days=1) if (day.month, day.day) == (2, 29) else day.replace(year=year)


def read_spans(
    snapshot: OpenSnapshot,
    executor: Executor,
    days: str,
    params: Sequence[Any],
    spans: Sequence[tuple[int, date, date]],
    *,
    is_sum: bool,
    station: str,
) -> dict[int, Span]:
    """Read each span from `days`, a SELECT of `observed_date` and `value`.

    A sum is whole when no day is missing, a mean when at most a third of its days are and at most 4 in a row.
    """
    listed = ", ".join(f"({year}, date '{first}', date '{last}')" for year, first, last in spans)
    rows = executor.fetch_dicts(
        snapshot,
        f"""
        with spans (year, first, last) as (values {listed}),
        present as (
            select
                spans.*, observed_date, value,
                observed_date - lag(observed_date, 1, first - 1) over (partition by year order by observed_date) - 1
                    as missing_before
            from ({days}) as days
            join spans on observed_date between first and last
            where value is not null
        )
        select
            year, {"sum" if is_sum else "avg"}(value) as value, count(*) as days,
            any_value(last - first) + 1 - count(*) as missing_days,
            greatest(max(missing_before), any_value(last) - max(observed_date)) as missing_in_a_row
        from present
        group by year
        order by year
        """,
        params,
        station,
    )
    return {row["year"]: Span(**row, is_whole=_is_whole(row, is_sum=is_sum)) for row in rows}


def _is_whole(row: dict[str, Any], *, is_sum: bool) -> bool:
    if is_sum:
        return bool(row["missing_days"] == 0)
    is_enough = row["missing_days"] * 3 <= row["days"] + row["missing_days"]
    return bool(is_enough and row["missing_in_a_row"] <= climate.MOST_IN_A_ROW)


def compare(value: float | None, spans: dict[int, Span]) -> dict[str, Any]:
    """Place a value among the whole spans of all years; the normal is that of 1991 to 2020, of at least 24 of them."""
    whole = {year: span.value for year, span in spans.items() if span.is_whole and span.value is not None}
    of_normal = [other for year, other in whole.items() if climate.FIRST_YEAR <= year <= climate.LAST_YEAR]
    normal_years = [year for year in whole if climate.FIRST_YEAR <= year <= climate.LAST_YEAR]
    is_normal = len(of_normal) >= climate.LEAST_YEARS
    normal = sum(of_normal) / len(of_normal) if is_normal else None
    told: dict[str, Any] = {
        "normal": _rounded(normal),
        "years": len(of_normal),
        "first_year": min(normal_years, default=None),
        "last_year": max(normal_years, default=None),
        "is_normal": is_normal,
        "departure": None,
        "percentile": None,
        "rank": None,
        "rank_of_years": None,
    }
    if value is None:
        return told
    if normal is not None:
        lower = sum(1 if other < value else 0.5 if other == value else 0 for other in of_normal)
        told |= {"departure": _rounded(value - normal), "percentile": round(100 * lower / len(of_normal), 1)}
    if whole:
        told |= {"rank": sum(other > value for other in whole.values()) + 1, "rank_of_years": len(whole)}
    return told


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)

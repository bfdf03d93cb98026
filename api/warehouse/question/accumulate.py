"""Sums since a day: rain, degree days, growing degree days, chill hours, evapotranspiration. No hole is passed over."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from api.warehouse.answer.render import Rows
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import BadValue
from api.warehouse.question import daily_values
from api.warehouse.question.climate import PERIOD, known_quantity, read_page, require_order
from api.warehouse.question.daily_values import DailyValues, Question
from api.warehouse.question.filters import Condition
from api.warehouse.question.paging import Bounds
from api.warehouse.question.posts import find_post, known_as
from api.warehouse.question.same_days import Span, compare, read_spans, same_days
from ingestion.archive import climate


@dataclass(frozen=True)
class Accumulated:
    """A quantity that is summed: its unit, what it counts from, and how its days are made."""

    unit: str
    method: str
    days: Callable[[Question], DailyValues]
    base: float | None = None
    has_normal: bool = True


QUANTITIES = {
    "rain": Accumulated("mm", "official days, 06 to 06 FU; else days of 24 hours", daily_values.rain),
    "sunshine": Accumulated("h", "official days, 00 to 24 FU; else days of 24 hours", daily_values.sunshine),
    "degree_days": Accumulated(
        "°C d", "Météo-France: base − (TN + TX) / 2, never under 0", daily_values.degree_days, base=18.0
    ),
    "growing_degree_days": Accumulated(
        "°C d", "(TN + TX) / 2 − base, never under 0", daily_values.growing_degree_days, base=10.0
    ),
    "chill_hours": Accumulated("h", "hours under the base, of days with 24 hours", daily_values.chill_hours, base=7.2),
    "et0": Accumulated(
        "mm",
        "Météo-France's own (ETPMON) where other days of the archive have it; else FAO-56 Penman-Monteith, daily step, "
        "where all 24 hours of radiation, humidity and wind are known; "
        "else FAO-56 Hargreaves, from TN and TX",
        daily_values.et0,
        has_normal=False,
    ),
}
_RULE = (
    "`sum` is that of the days that are there, so it is too low where `is_whole` is false. "
    f"`normal` is the mean of the same days of {PERIOD}, of at least {climate.LEAST_YEARS} years with no day missing."
)
_NO_NORMAL = "`sum` is that of the days that are there. It has no normal: which method is used differs by year."

_TOTAL = pa.schema(
    {
        "station_id": pa.string(),
        "quantity": pa.string(),
        "unit": pa.string(),
        "base": pa.float64(),
        "method": pa.string(),
        "since": pa.date32(),
        "until": pa.date32(),
        "sum": pa.float64(),
        "days": pa.int64(),
        "missing_days": pa.int64(),
        "missing_in_a_row": pa.int64(),
        "is_whole": pa.bool_(),
        "normal": pa.float64(),
        "departure": pa.float64(),
        "percent_of_normal": pa.float64(),
        "percentile": pa.float64(),
        "rank": pa.int64(),
        "rank_of_years": pa.int64(),
        "years": pa.int64(),
        "first_year": pa.int64(),
        "last_year": pa.int64(),
        "is_normal": pa.bool_(),
    }
)


@dataclass(frozen=True, kw_only=True)
class AccumulateRequest(Bounds):
    """Which sum is wanted."""

    station: str
    quantity: str
    since: date
    until: date | None = None
    base: float | None = None
    resolution: str = "total"


def read_accumulated(snapshot: OpenSnapshot, executor: Executor, request: AccumulateRequest) -> Rows:
    """One row with the sum, or one for each day with the sum so far."""
    wanted = QUANTITIES[known_quantity(request.quantity, tuple(QUANTITIES))]
    if request.base is not None and wanted.base is None:
        raise BadValue("base", f"{request.quantity} has no base", "leave it out")
    require_order(request.since, request.until, "since")
    post = find_post(snapshot, executor, request.station)
    base = wanted.base if request.base is None else request.base
    values = wanted.days(Question(snapshot, post, base, request.since))
    until = request.until or _last_day(snapshot, executor, values, post) or request.since
    until = max(until, request.since)
    about = {"quantity": request.quantity, "unit": wanted.unit, "base": base, "method": wanted.method}
    members = {**about, "rule": _RULE if wanted.has_normal else _NO_NORMAL, **known_as(post)}
    if values.has_methods:
        members["days_by_method"] = _days_by_method(snapshot, executor, values, request.since, until, post)
    if request.resolution == "day":
        return _by_day(snapshot, executor, request, values, until, members, post)
    spans = read_spans(
        snapshot,
        executor,
        values.sql,
        values.params,
        same_days(request.since, until) if wanted.has_normal else [(request.since.year, request.since, until)],
        is_sum=True,
        station=post,
    )
    mine = spans.get(request.since.year)
    row = {"station_id": post, **about, "since": request.since, "until": until, **_sum(mine, request.since, until)}
    # A sum with a hole has no place among whole ones.
    row |= compare(row["sum"] if row["is_whole"] else None, spans if wanted.has_normal else {})
    row["percent_of_normal"] = round(100 * row["sum"] / row["normal"], 1) if row["is_whole"] and row["normal"] else None
    said = _say_what_is_missing(row)
    table = pa.Table.from_pylist([row], schema=_TOTAL)
    return Rows(table, members={**members, **said})


def _sum(mine: Span | None, since: date, until: date) -> dict[str, Any]:
    if mine is None:
        asked = (until - since).days + 1
        return {"sum": None, "days": 0, "missing_days": asked, "missing_in_a_row": asked, "is_whole": False}
    told = asdict(mine)
    told["sum"] = round(told.pop("value"), 2)
    return {name: told[name] for name in ("sum", "days", "missing_days", "missing_in_a_row", "is_whole")}


def _say_what_is_missing(row: dict[str, Any]) -> dict[str, str]:
    if row["is_whole"]:
        return {}
    asked = row["days"] + row["missing_days"]
    if not row["days"]:
        return {"message": f"no day of {row['station_id']} from {row['since']} to {row['until']} has this quantity"}
    return {
        "message": f"{row['missing_days']} of {asked} days are missing, {row['missing_in_a_row']} in a row at most: "
        "the sum is that of the others"
    }


def _by_day(
    snapshot: OpenSnapshot,
    executor: Executor,
    request: AccumulateRequest,
    values: DailyValues,
    until: date,
    members: dict[str, Any],
    post: str,
) -> Rows:
    sql = f"""(
        select
            observed_date, round(value, 2) as value, round(sum(value) over so_far, 2) as sum,
            count(value) over so_far as days, count(*) over so_far - count(value) over so_far as missing_days,
            days.* exclude (observed_date, value)
        from (select unnest(generate_series(?::date, ?::date, interval 1 day))::date as observed_date) as asked
        left join ({values.sql}) as days using (observed_date)
        window so_far as (order by observed_date)
    )"""
    source = Condition(sql, (request.since, until, *values.params))
    found = read_page(snapshot, executor, source, "observed_date", request, post)
    return Rows(found.table, found.next_cursor, members=members)


def _days_by_method(
    snapshot: OpenSnapshot, executor: Executor, values: DailyValues, since: date, until: date, post: str
) -> dict[str, int]:
    rows = executor.fetch_dicts(
        snapshot,
        f"select method, count(*) as days from ({values.sql}) as days"
        " where value is not null and observed_date between ? and ? group by method order by method",
        [*values.params, since, until],
        post,
    )
    return {row["method"]: row["days"] for row in rows}


def _last_day(snapshot: OpenSnapshot, executor: Executor, values: DailyValues, post: str) -> date | None:
    (row,) = executor.fetch_dicts(
        snapshot,
        f"select max(observed_date) as last from ({values.sql}) as days where value is not null",
        values.params,
        post,
    )
    last: date | None = row["last"]
    return last

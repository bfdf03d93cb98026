"""Dry spells, heat waves, cold spells and frosts. A missing day ends a spell, and the answer says so."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from api.warehouse.answer.render import Rows
from api.warehouse.open.catalog import Column
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.question.climate import require_order
from api.warehouse.question.filters import Condition
from api.warehouse.question.paging import Bounds, Ordering, read_in_order
from api.warehouse.question.posts import find_post, known_as, say_if_empty

_NEWEST_FIRST = [Ordering(Column("first_day", "DATE", is_nullable=False), is_descending=True)]
_DRY = (
    "Days with less than {under:g} mm, one after another. A day without a value ends a spell: `is_start_known` and "
    "`is_end_known` are then false."
)
_ENDS = "A day without a value ends it: `is_start_known` and `is_end_known` are then false."
_HEAT = (
    f"At least {{least_days}} days in a row with a maximum of {{over:g}} °C or more. {_ENDS} Météo-France's national "
    "heat waves follow the mean of 30 stations, which is another definition."
)
_COLD = f"At least {{least_days}} days in a row with a minimum of {{under:g}} °C or less. {_ENDS}"
_FROST = (
    "A winter is July to June. Frost is a minimum of {under:g} °C or less. Where a day is missing, the first frost may "
    "be earlier and the last one later."
)


@dataclass(frozen=True, kw_only=True)
class SpellsRequest(Bounds):
    """Which spells or winters are wanted; those that touch the range. `over` is of heat waves, `under` of all else."""

    station: str
    under: float = 0.0
    over: float = 0.0
    start: date | None = None
    end: date | None = None
    least_days: int = 1


def read_dry_spells(snapshot: OpenSnapshot, executor: Executor, request: SpellsRequest) -> Rows:
    """Spells of dry days, the newest first: it is the one that goes on, if one does."""
    sql = _spells_sql("precipitation_mm", f"< {request.under}", request.least_days)
    return _read(snapshot, executor, request, sql, _DRY, {"under": request.under})


def read_heat_waves(snapshot: OpenSnapshot, executor: Executor, request: SpellsRequest) -> Rows:
    """Spells of hot days, with the hottest one."""
    extremes = f"max(value) as highest, arg_max(observed_date, {_first_of('value')}) as highest_on, {_MEAN}"
    sql = _spells_sql("temperature_max_c", f">= {request.over}", request.least_days, extremes)
    return _read(snapshot, executor, request, sql, _HEAT, {"over": request.over})


def read_cold_spells(snapshot: OpenSnapshot, executor: Executor, request: SpellsRequest) -> Rows:
    """Spells of frosty days, with the coldest one."""
    extremes = f"min(value) as lowest, arg_max(observed_date, {_first_of('-value')}) as lowest_on, {_MEAN}"
    sql = _spells_sql("temperature_min_c", f"<= {request.under}", request.least_days, extremes)
    return _read(snapshot, executor, request, sql, _COLD, {"under": request.under})


_MEAN = "round(avg(value), 1) as mean"


def _first_of(value: str) -> str:
    """Of equal values the first day's is the greatest."""
    return f"{{'value': {value}, 'first': -epoch_us(observed_date)}}"


def _spells_sql(quantity: str, condition: str, least_days: int, extremes: str = "") -> str:
    """SELECT the spells of days whose value meets the condition; the station is bound once."""
    return f"""
        with days as (
            select
                observed_date, {quantity} as value, {quantity} {condition} as is_in,
                coalesce(lag(observed_date) over in_order = observed_date - 1, false) as has_day_before,
                coalesce(lead(observed_date) over in_order = observed_date + 1, false) as has_day_after,
                observed_date = max(observed_date) over () as is_newest
            from marts.daily_history
            where station_id = ? and {quantity} is not null
            window in_order as (order by observed_date)
        ),
        spells as (
            select *, observed_date - row_number() over (order by observed_date)::integer as spell
            from days where is_in
        )
        select
            min(observed_date) as first_day, max(observed_date) as last_day, count(*) as days,
            {extremes + "," if extremes else ""}
            arg_min(has_day_before, observed_date) as is_start_known,
            arg_max(has_day_after, observed_date) as is_end_known,
            arg_max(is_newest, observed_date) as goes_on
        from spells
        group by spell
        having count(*) >= {least_days}
    """


def read_frosts(snapshot: OpenSnapshot, executor: Executor, request: SpellsRequest) -> Rows:
    """Winters, the newest first, with their first and last frost."""
    sql = f"""
        with days as (
            select
                observed_date, temperature_min_c, make_date(year(observed_date - interval 6 months), 7, 1) as first_day,
                max(observed_date) over () as newest
            from marts.daily_history
            where station_id = ? and temperature_min_c is not null
        ),
        winters as (
            select
                first_day, least((first_day + interval 1 year)::date - 1, any_value(newest)) as last_day,
                min(observed_date) filter (temperature_min_c <= {request.under}) as first_frost,
                max(observed_date) filter (temperature_min_c <= {request.under}) as last_frost,
                count(*) filter (temperature_min_c <= {request.under}) as frost_days, count(*) as days
            from days
            group by first_day
        )
        select *, last_day - first_day + 1 - days as missing_days, missing_days = 0 as is_whole,
            last_day < (first_day + interval 1 year)::date - 1 as goes_on
        from winters
    """
    return _read(snapshot, executor, request, sql, _FROST, {"under": request.under})


def _read(
    snapshot: OpenSnapshot,
    executor: Executor,
    request: SpellsRequest,
    sql: str,
    rule: str,
    limits: dict[str, float],
) -> Rows:
    require_order(request.start, request.end, "from")
    post = find_post(snapshot, executor, request.station)
    conditions = []
    if request.start:
        conditions.append(Condition("last_day >= ?", (request.start,)))
    if request.end:
        conditions.append(Condition("first_day <= ?", (request.end,)))
    source = Condition(f"({sql}) as found", (post, post))
    columns = "?::varchar as station_id, *"
    table, following = read_in_order(snapshot, executor, columns, source, conditions, _NEWEST_FIRST, request, post)
    said = say_if_empty(snapshot, executor, post, is_empty=not table.num_rows and request.cursor is None)
    members: dict[str, Any] = {**limits, "rule": rule.format(**limits, least_days=request.least_days)}
    return Rows(table, following, members={**members, **known_as(post), **said})

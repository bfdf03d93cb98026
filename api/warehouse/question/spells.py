"""Dry spells, and the first and last frost of each winter. A missing day ends a spell, and the answer says so."""

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
_FROST = (
    "A winter is July to June. Frost is a minimum of {under:g} °C or less. Where a day is missing, the first frost may "
    "be earlier and the last one later."
)


@dataclass(frozen=True, kw_only=True)
class SpellsRequest(Bounds):
    """Which spells or winters are wanted; those that touch the range."""

    station: str
    under: float
    start: date | None = None
    end: date | None = None
    least_days: int = 1


def read_dry_spells(snapshot: OpenSnapshot, executor: Executor, request: SpellsRequest) -> Rows:
    """Spells of dry days, the newest first: it is the one that goes on, if one does."""
    sql = f"""
        with days as (
            select
                observed_date, precipitation_mm < {request.under} as is_dry,
                coalesce(lag(observed_date) over in_order = observed_date - 1, false) as has_day_before,
                coalesce(lead(observed_date) over in_order = observed_date + 1, false) as has_day_after,
                observed_date = max(observed_date) over () as is_newest
            from marts.daily_history
            where station_id = ? and precipitation_mm is not null
            window in_order as (order by observed_date)
        ),
        dry as (
            select *, observed_date - row_number() over (order by observed_date)::integer as spell
            from days where is_dry
        )
        select
            min(observed_date) as first_day, max(observed_date) as last_day, count(*) as days,
            arg_min(has_day_before, observed_date) as is_start_known,
            arg_max(has_day_after, observed_date) as is_end_known,
            arg_max(is_newest, observed_date) as goes_on
        from dry
        group by spell
        having count(*) >= {request.least_days}
    """
    return _read(snapshot, executor, request, sql, _DRY)


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
    return _read(snapshot, executor, request, sql, _FROST)


def _read(snapshot: OpenSnapshot, executor: Executor, request: SpellsRequest, sql: str, rule: str) -> Rows:
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
    members: dict[str, Any] = {"under": request.under, "rule": rule.format(under=request.under)}
    return Rows(table, following, members={**members, **known_as(post), **said})

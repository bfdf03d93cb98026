"""Hourly or daily rows of stations over a time range."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from api.warehouse.answer.cursors import Cursor
from api.warehouse.answer.render import Rows
from api.warehouse.open.catalog import Column, Relation, quoted
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.open.units import Units
from api.warehouse.problems import BadValue
from api.warehouse.question.filters import Condition, any_of, read_instant
from api.warehouse.question.locate import station_at
from api.warehouse.question.paging import Ordering, Page, read_page
from api.warehouse.question.stations import resolve_departments, resolve_stations, say_if_silent
from api.warehouse.question.tables import relation_of
from api.warehouse.question.units import select_fields

_TABLES = {"hour": "hourly_observations", "day": "daily_observations"}


@dataclass(frozen=True)
class ObservationsRequest:
    """Which observations are wanted."""

    question: str
    limit: int
    station: Sequence[str] = ()
    dept: Sequence[str] = ()
    place: str | None = None
    start: str | None = None
    end: str | None = None
    fields: str | None = None
    resolution: str = "hour"
    units: Units = "metric"
    tz: str = "UTC"
    cursor: Cursor | None = None


def read_observations(snapshot: OpenSnapshot, executor: Executor, request: ObservationsRequest) -> Rows:
    """Read a page of observations, by station, then by time."""
    relation = relation_of(snapshot, "marts", _TABLES[request.resolution])
    time = _time_column(relation)
    conditions = []
    told: dict[str, Any] = {}
    if request.place is not None:
        if request.station or request.dept:
            raise BadValue("place", "stations are named too", "give a place, or stations")
        told = station_at(snapshot, executor, request.place)
        conditions.append(any_of(relation.by_name["station_id"], [told["station"]["station_id"]], "place"))
    if request.station:
        ids = resolve_stations(snapshot, executor, request.station)
        conditions.append(any_of(relation.by_name["station_id"], ids, "station"))
    if request.dept:
        codes = resolve_departments(request.dept)
        conditions.append(any_of(relation.by_name["department_code"], codes, "dept"))
    conditions += _time_range(time, request)
    always = ("station_id", "station_name", time.name)
    page = Page(
        relation=relation,
        selected=select_fields(relation, request.fields, request.units, always=always),
        conditions=conditions,
        order=[Ordering(relation.by_name["station_id"]), Ordering(time)],
        limit=request.limit,
        question=request.question,
        cursor=request.cursor,
    )
    table, following = read_page(snapshot, executor, page)
    is_empty = table.num_rows == 0 and request.cursor is None
    named = [told["station"]["station_id"]] if told else request.station
    said = say_if_silent(snapshot, executor, named, is_empty=is_empty)
    return Rows(table, following, members=told | said, tz=request.tz)


def _time_column(relation: Relation) -> Column:
    """The hour, or the day."""
    names = ("observed_at", "observed_date", "observation_date", "date", "day")
    found = next((relation.by_name[name] for name in names if name in relation.by_name), None)
    return found or next(column for column in relation.columns if column.type in ("DATE", "TIMESTAMP WITH TIME ZONE"))


def _time_range(time: Column, request: ObservationsRequest) -> list[Condition]:
    bounds = [("start", request.start, ">="), ("end", request.end, "<=")]
    return [
        Condition(f"{quoted(time.name)} {comparison} ?", (_moment(field, text, time, request.tz),))
        for field, text, comparison in bounds
        if text is not None
    ]


def _moment(field: str, text: str, time: Column, tz: str) -> datetime | date:
    try:
        moment = read_instant(text, tz)
        if time.type == "DATE":
            return moment.date()
        # The end of a range given as a day is its last hour, not its first.
        if field == "end" and len(text.strip()) == len("2026-11-23"):
            return moment.replace(hour=23, minute=59, second=59)
    except (ValueError, OverflowError) as error:
        raise BadValue(
            field, f"“{text}” is no date or time", "give ISO 8601 such as 2026-11-23 or 2026-11-23T06:00:00+01:00"
        ) from error
    return moment

"""History of one station: its days, months, normals and records; and what the open archive covers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from rapidfuzz import process

from api.warehouse.answer.cursors import Cursor
from api.warehouse.answer.render import Rows
from api.warehouse.open.catalog import Column
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import ArchiveEmpty, BadValue
from api.warehouse.question.filters import Condition
from api.warehouse.question.paging import Bounds, Ordering, read_in_order
from api.warehouse.question.posts import find_post, known_as, say_if_empty
from api.warehouse.question.shares import with_share
from api.warehouse.question.windows import LONGEST, with_windows
from ingestion.archive import climate
from ingestion.archive.day_quantities import FIELDS
from ingestion.archive.hours_sql import FIELDS as HOURLY_FIELDS

PERIOD = f"{climate.FIRST_YEAR}-{climate.LAST_YEAR}"
_KEY_TYPES = {
    "station_id": "VARCHAR",
    "quantity": "VARCHAR",
    "observed_date": "DATE",
    "observed_at": "TIMESTAMP WITH TIME ZONE",
    "month": "DATE",
    "year": "BIGINT",
}
WHOLE = (
    f"A month of a mean is whole when at most {climate.MOST_MISSING} of its days are missing and at most "
    f"{climate.MOST_IN_A_ROW} in a row, a month of a sum when none is; a year when its twelve months are."
)
RULES = {
    "normals": f"At least {climate.LEAST_YEARS} of 30 years. {WHOLE}",
    "days": f"At least {climate.LEAST_YEARS} of 30 years, each with at least {climate.LEAST_NEIGHBOURS} of the 15 days "
    f"within {climate.NEIGHBOURS} of the day.",
    "records": f"`is_long` means at least {climate.LEAST_RECORD_YEARS} whole years. {WHOLE}",
    "whole": f"`value` is null where `is_whole` is false. {WHOLE}",
}


@dataclass(frozen=True, kw_only=True)
class HistoryRequest(Bounds):
    """Which days of a station are wanted."""

    station: str
    start: date | None = None
    end: date | None = None
    resolution: str = "day"
    windows: bool = False


def read_normals(
    snapshot: OpenSnapshot, executor: Executor, station: str, quantity: str | None, resolution: str
) -> Rows:
    """Normals of a station by month and for the year, or by calendar day."""
    table, order = ("daily", "month, day") if resolution == "day" else ("monthly", "month nulls last")
    rule = RULES["days" if resolution == "day" else "normals"]
    asked = (quantity, climate.OF_NORMALS)
    members = {"period": PERIOD, "rule": rule}
    return _rows_of(snapshot, executor, f"normals_{table}", station, asked, order, members)


def read_records(snapshot: OpenSnapshot, executor: Executor, station: str, quantity: str | None) -> Rows:
    """Highest and lowest values of a station, for all months (`month` null) and for each."""
    asked = (quantity, climate.OF_RECORDS)
    members = {"rule": RULES["records"]}
    return _rows_of(snapshot, executor, "records", station, asked, "kind, month nulls first", members)


def _rows_of(
    snapshot: OpenSnapshot,
    executor: Executor,
    table: str,
    station: str,
    asked: tuple[str | None, Sequence[str]],
    order: str,
    members: dict[str, Any],
) -> Rows:
    post = find_post(snapshot, executor, station)
    quantity = known_quantity(asked[0], asked[1]) if asked[0] else None
    found = executor.fetch(
        snapshot,
        f"select * from marts.{table} where station_id = ?{' and quantity = ?' if quantity else ''}"
        f" order by quantity, {order}",
        [post, *([quantity] if quantity else [])],
        station=post,
    )
    said = say_if_empty(snapshot, executor, post, is_empty=not found.num_rows)
    return Rows(found, members={**members, **known_as(post), **said})


def read_history(snapshot: OpenSnapshot, executor: Executor, request: HistoryRequest) -> Rows:
    """Days or hours of a station, or its months or years with how whole they are."""
    post = find_post(snapshot, executor, request.station)
    require_order(request.start, request.end, "from")
    if request.windows and request.resolution != "hour":
        raise BadValue("windows", f"a {request.resolution} has none", "ask for `resolution=hour`")
    if request.resolution == "hour":
        return _read_hours(snapshot, executor, post, request)
    condition, params = "station_id = ?", list[Any]([post])
    if request.start:
        condition += " and observed_date >= ?"
        params.append(request.start)
    if request.end:
        condition += " and observed_date <= ?"
        params.append(request.end)
    # Days are cut to the range first, so a month or year that the range cuts is not whole.
    days = f"(select * from marts.daily_history where {condition})"
    other = f"(select * from marts.daily_other where {condition})"
    months = f"({climate.months_sql(days)})"
    if request.resolution != "day" and "marts.daily_other" in snapshot.relations:
        months = f"({climate.all_months_sql(days, other)})"
        params *= 2
    if request.resolution == "day":
        shared = with_share(days, FIELDS, "day_source = 'official'", "fields_from_hours")
        source, key = f"({shared})", "observed_date"
    elif request.resolution == "month":
        named = "station_id, quantity, month, {}, days, missing_days, missing_in_a_row, is_whole"
        source, key = f"(select {named.format(_VALUE)} from {months})", "quantity, month"
    else:
        source, key = f"(select * replace ({_VALUE}) from ({_years_sql(months)}))", "quantity, year"
    found = read_page(snapshot, executor, Condition(source, tuple(params)), key, request, post)
    said = say_if_empty(snapshot, executor, post, is_empty=not found.row_count and request.cursor is None)
    rule = {} if request.resolution == "day" else {"rule": RULES["whole"]}
    return Rows(found.table, found.next_cursor, members={**rule, **known_as(post), **said})


def _read_hours(snapshot: OpenSnapshot, executor: Executor, post: str, request: HistoryRequest) -> Rows:
    """Hours of a station, of whole days in UTC; windows need the 24 hours before the page too."""
    if "marts.hourly_history" not in snapshot.relations:  # published by an older version
        raise ArchiveEmpty
    start, end = _midnight(request.start), _midnight(request.end, timedelta(days=1))
    if request.windows and request.cursor:
        start = _hour_of(request.cursor)
    lead = LONGEST if request.windows else timedelta(0)
    conditions, params = ["station_id = ?"], list[Any]([post])
    if start:
        conditions.append("observed_at >= ?")
        params.append(start - lead)
    if end:
        conditions.append("observed_at < ?")
        params.append(end)
    hours = f"(select * from marts.hourly_history where {' and '.join(conditions)})"
    if request.windows:
        # No more rows than the page needs: the windows of decades would be counted again for each page.
        most = request.limit + 2 + int(LONGEST / timedelta(hours=1))
        hours = f"({with_windows(f'(from {hours} order by observed_at limit {most})')})"
        if start:
            hours = f"(from {hours} where observed_at >= ?)"
            params.append(start)
    shared = with_share(hours, HOURLY_FIELDS, "source = 'archive'", "fields_from_realtime")
    found = read_page(snapshot, executor, Condition(f"({shared})", tuple(params)), "observed_at", request, post)
    said = say_if_empty(snapshot, executor, post, is_empty=not found.row_count and request.cursor is None)
    return Rows(found.table, found.next_cursor, members={**known_as(post), **said})


def _midnight(day: date | None, later: timedelta = timedelta(0)) -> datetime | None:
    if day is None:
        return None
    known = min(max(day, date(1700, 1, 1)), date(2200, 1, 1))  # no hour is outside, and Python's calendar has ends
    return datetime(known.year, known.month, known.day, tzinfo=UTC) + later


def _hour_of(cursor: Cursor) -> datetime:
    try:
        hour = datetime.fromisoformat(str(cursor.key[0])).astimezone(UTC)
        return max(hour, datetime(1700, 1, 1, tzinfo=UTC))
    except (ValueError, IndexError, OverflowError) as error:
        raise BadValue("cursor", "it names no hour", "take `next` of the page before") from error


_VALUE = "case when is_whole then round(value, 2) end as value"


def _years_sql(months: str) -> str:
    return f"""
        select
            station_id, quantity, year(month) as year, {climate.of_month()} as value, sum(days)::bigint as days,
            count(*) filter (is_whole) as whole_months, whole_months = 12 as is_whole
        from {months}
        group by station_id, quantity, year(month)
    """


def read_page(
    snapshot: OpenSnapshot,
    executor: Executor,
    source: Condition,
    key: str,
    bounds: Bounds,
    station: str | None = None,
) -> Rows:
    """Read one page of a subquery in the order of a unique key of columns that are never NULL."""
    order = [Ordering(Column(name, _KEY_TYPES[name], is_nullable=False)) for name in key.split(", ")]
    named = Condition(f"{source.sql} as found", source.params)
    return Rows(*read_in_order(snapshot, executor, "*", named, [], order, bounds, station))


def require_order(start: date | None, end: date | None, field: str) -> None:
    if start and end and start > end:
        raise BadValue(field, f"{start} is after {end}", "give the earlier day first")


def days_of(snapshot: OpenSnapshot, quantity: str) -> str:
    """Name the mart that has a quantity's days. Raises ArchiveEmpty where an older version published the snapshot."""
    mart = "marts.daily_history" if quantity in FIELDS else "marts.daily_other"
    if mart not in snapshot.relations:
        raise ArchiveEmpty
    return mart


def known_quantity(name: str, known: Sequence[str]) -> str:
    """Check a quantity's name; raises BadValue with the nearest."""
    if name not in known:
        close = [hit[0] for hit in process.extract(name, known, limit=1, score_cutoff=60)]
        hint = f"did you mean {close[0]}? " if close else ""
        raise BadValue("quantity", f"“{name[:60]}” is not among them", f"{hint}choose one of {', '.join(known)}")
    return name

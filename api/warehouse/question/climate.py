"""History of one station: its days, normals, records, and whether a day was normal. All from the open archive."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from rapidfuzz import process

from api.warehouse.answer.cursors import Cursor
from api.warehouse.answer.render import Document, Rows
from api.warehouse.open.catalog import Column
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import ArchiveEmpty, BadValue, NotFound
from api.warehouse.question.filters import placeholder, read_value
from api.warehouse.question.stations import ids_by_name, resolve_departments
from ingestion.archive import climate
from ingestion.archive.days_sql import FIELDS
from ingestion.departments import fold

_LOOK_AT = "/archive/coverage"
_KEY_TYPES = {
    "station_id": "VARCHAR",
    "observed_date": "DATE",
    "observed_at": "TIMESTAMP WITH TIME ZONE",
    "month": "DATE",
    "year": "BIGINT",
}  # of pages
_PERIOD = f"{climate.FIRST_YEAR}-{climate.LAST_YEAR}"
_WHOLE = (
    f"A month of a mean is whole when at most {climate.MOST_MISSING} of its days are missing and at most "
    f"{climate.MOST_IN_A_ROW} in a row, a month of a sum when none is; a year when its twelve months are."
)
_RULES = {
    "normals": f"At least {climate.LEAST_YEARS} of 30 years. {_WHOLE}",
    "days": f"At least {climate.LEAST_YEARS} of 30 years, each with at least {climate.LEAST_NEIGHBOURS} of the 15 days "
    f"within {climate.NEIGHBOURS} of the day.",
    "records": f"`is_long` means at least {climate.LEAST_RECORD_YEARS} whole years. {_WHOLE}",
    "whole": f"`value` is null where `is_whole` is false. {_WHOLE}",
}


@dataclass(frozen=True)
class HistoryRequest:
    """Which days of a station are wanted."""

    station: str
    question: str
    limit: int
    start: date | None = None
    end: date | None = None
    resolution: str = "day"
    cursor: Cursor | None = None


@dataclass(frozen=True)
class CoverageRequest:
    """Which part of the coverage is wanted."""

    question: str
    limit: int
    dept: Sequence[str] = ()
    station: str | None = None
    by: str = "station"
    cursor: Cursor | None = None


def read_normals(
    snapshot: OpenSnapshot, executor: Executor, station: str, quantity: str | None, resolution: str
) -> Rows:
    """Normals of a station by month and for the year, or by calendar day."""
    post = find_post(snapshot, executor, station)
    table, order = ("daily", "month, day") if resolution == "day" else ("monthly", "month nulls last")
    rule = _RULES["days" if resolution == "day" else "normals"]
    return _rows_of(snapshot, executor, f"normals_{table}", post, (quantity, climate.OF_NORMALS), order, rule)


def read_records(snapshot: OpenSnapshot, executor: Executor, station: str, quantity: str | None) -> Rows:
    """Highest and lowest values of a station, for all months (`month` null) and for each."""
    post = find_post(snapshot, executor, station)
    asked = (quantity, climate.OF_RECORDS)
    return _rows_of(snapshot, executor, "records", post, asked, "kind, month nulls first", _RULES["records"])


def _rows_of(
    snapshot: OpenSnapshot,
    executor: Executor,
    table: str,
    post: str,
    asked: tuple[str | None, Sequence[str]],
    order: str,
    rule: str,
) -> Rows:
    quantity = _known_quantity(*asked) if asked[0] else None
    found = executor.fetch(
        snapshot,
        f"select * from marts.{table} where station_id = ?{' and quantity = ?' if quantity else ''}"
        f" order by quantity, {order}",
        [post, *([quantity] if quantity else [])],
    )
    members: dict[str, Any] = {"rule": rule}
    if table != "records":
        members = {"period": _PERIOD, **members}
    return Rows(found, members=members)


def read_history(snapshot: OpenSnapshot, executor: Executor, request: HistoryRequest) -> Rows:
    """Days or hours of a station, or its months or years with how whole they are."""
    post = find_post(snapshot, executor, request.station)
    if request.start and request.end and request.start > request.end:
        raise BadValue("from", f"{request.start} is after {request.end}", "give the earlier day first")
    if request.resolution == "hour":
        return _hours(snapshot, executor, post, request)
    condition, params = "station_id = ?", list[Any]([post])
    if request.start:
        condition += " and observed_date >= ?"
        params.append(request.start)
    if request.end:
        condition += " and observed_date <= ?"
        params.append(request.end)
    if request.resolution == "day":
        sql = f"select * from marts.daily_history where {condition}"
        return _page(snapshot, executor, sql, params, "observed_date", request)
    # Days are cut to the range first, so a month or year that the range cuts is not whole.
    days = f"(select * from marts.daily_history where {condition})"
    months = climate.months_sql("days")
    value = "case when is_whole then round(value, 2) end as value"
    if request.resolution == "month":
        select = (
            f"select station_id, quantity, month, {value}, days, missing_days, missing_in_a_row, is_whole from months"
        )
        period = "month"
    else:
        select = f"""
            select
                station_id, quantity, year, case when is_whole then round(value, 2) end as value, days, whole_months,
                is_whole
            from (
                select
                    station_id, quantity, year(month) as year, {climate.of_month()} as value,
                    sum(days)::bigint as days, count(*) filter (is_whole) as whole_months,
                    whole_months = 12 as is_whole
                from months
                group by station_id, quantity, year(month)
            )
        """
        period = "year"
    sql = f"with days as materialized {days}, months as ({months}) {select}"
    table = executor.fetch(snapshot, f"{sql} order by quantity, {period} limit {request.limit}", params)
    return Rows(table, members={"rule": _RULES["whole"]})


def _hours(snapshot: OpenSnapshot, executor: Executor, post: str, request: HistoryRequest) -> Rows:
    """Hours of a station, of whole days in UTC."""
    if "marts.hourly_history" not in snapshot.relations:  # published by an older version
        raise ArchiveEmpty
    conditions, params = ["station_id = ?"], list[Any]([post])
    for bound, comparison in ((request.start, ">="), (request.end and request.end + timedelta(days=1), "<")):
        if bound:
            conditions.append(f"observed_at {comparison} ?")
            params.append(datetime(bound.year, bound.month, bound.day, tzinfo=UTC))
    sql = f"select * from marts.hourly_history where {' and '.join(conditions)}"
    return _page(snapshot, executor, sql, params, "observed_at", request)


def _page(
    snapshot: OpenSnapshot,
    executor: Executor,
    sql: str,
    params: Sequence[Any],
    key: str,
    request: HistoryRequest | CoverageRequest,
) -> Rows:
    """Read one page of rows in the order of a unique key."""
    names = [name.strip() for name in key.split(",")]
    where, values = "", list(params)
    if request.cursor is not None:
        if len(request.cursor.key) != len(names):
            raise BadValue("cursor", "it does not fit this question", "begin again without a cursor")
        columns = [Column(name, _KEY_TYPES[name], is_nullable=False) for name in names]
        where = f" where ({key}) > ({', '.join(map(placeholder, columns))})"
        values += [
            read_value(column, str(value), "cursor", "UTC")
            for column, value in zip(columns, request.cursor.key, strict=True)
        ]
    found = executor.fetch(
        snapshot, f"select * from ({sql}) as found{where} order by {key} limit {request.limit + 1}", values
    )
    following = None
    if found.num_rows > request.limit:
        last = [str(found.column(name)[request.limit - 1].as_py()) for name in names]
        following = str(Cursor(snapshot.id, request.question, tuple(last)))
    return Rows(found.slice(0, request.limit), following)


def read_normal(snapshot: OpenSnapshot, executor: Executor, station: str, day: date, quantity: str) -> Document:
    """Say whether a day was normal: its value, the normal of its calendar day, and the day's place among others."""
    name = _known_quantity(quantity, climate.OF_NORMALS)
    post = find_post(snapshot, executor, station)
    told = executor.fetch_dicts(
        snapshot,
        f"select station_name, day_source, is_final, {name} as value, quality[?] as quality"
        " from marts.daily_history where station_id = ? and observed_date = ?",
        [name, post, day],
    )
    folded = day.replace(day=28) if (day.month, day.day) == (2, 29) else day
    normals = executor.fetch_dicts(
        snapshot,
        "select * exclude (station_id, quantity, month, day) from marts.normals_daily"
        " where station_id = ? and quantity = ? and month = ? and day = ?",
        [post, name, folded.month, folded.day],
    )
    value = told[0]["value"] if told else None
    normal = normals[0] if normals else {"normal": None, "years": 0, "is_normal": False}
    answer: dict[str, Any] = {
        "station_id": post,
        "station_name": told[0]["station_name"] if told else None,
        "date": day.isoformat(),
        "quantity": name,
        "value": value,
        "day_source": told[0]["day_source"] if told and value is not None else None,
        # The code of an official value that is not named in the map is 1.
        "quality": told[0]["quality"] if told else None,
        "period": _PERIOD,
        **normal,
        "departure": None,
        "percentile": None,
        "rank": None,
        "rank_of_years": None,
        "rule": _RULES["days"],
    }
    if value is None:
        return Document(answer)
    answer |= _place_among_years(snapshot, executor, post, day, name, value)
    if normal["is_normal"]:
        answer["departure"] = round(value - normal["normal"], 2)
        answer["percentile"] = _percentile(snapshot, executor, post, folded, name, value)
    return Document(answer)


def _percentile(
    snapshot: OpenSnapshot, executor: Executor, post: str, day: date, name: str, value: float
) -> float | None:
    """Share of the normal's own days that are lower, in percent; equal ones count half."""
    around = timedelta(days=climate.NEIGHBOURS)
    years = [day.replace(year=year) for year in range(climate.FIRST_YEAR, climate.LAST_YEAR + 1)]
    windows = " or ".join(["observed_date between ? and ?"] * len(years))
    (row,) = executor.fetch_dicts(
        snapshot,
        f"""
        select
            round(100 * (count(*) filter ({name} < ?) + count(*) filter ({name} = ?) / 2) / nullif(count(*), 0), 1)
                as percentile
        from marts.daily_history
        where station_id = ? and day_source = 'official' and {name} is not null and ({windows})
        """,
        [value, value, post, *(bound for year in years for bound in (year - around, year + around))],
    )
    percentile: float | None = row["percentile"]
    return percentile


def _place_among_years(
    snapshot: OpenSnapshot, executor: Executor, post: str, day: date, name: str, value: float
) -> dict[str, int]:
    """Rank among the same calendar day of every year: 1 is the highest."""
    (row,) = executor.fetch_dicts(
        snapshot,
        f"select count(*) filter ({name} > ?) + 1 as rank, count(*) as rank_of_years from marts.daily_history"
        f" where station_id = ? and {name} is not null and month(observed_date) = ? and day(observed_date) = ?",
        [value, post, day.month, day.day],
    )
    return row


def read_coverage(snapshot: OpenSnapshot, executor: Executor, request: CoverageRequest) -> Rows:
    """How many official days there are, of each quantity and quality."""
    conditions, params = ["true"], []
    if request.station is not None:
        conditions.append("station_id = ?")
        params.append(find_post(snapshot, executor, request.station))
    elif not has_archive(snapshot):
        raise ArchiveEmpty
    if request.dept:
        codes = resolve_departments(request.dept)
        conditions.append(f"department_code in ({', '.join('?' * len(codes))})")
        params += codes
    period = {"station": "", "year": "year(month) as year,", "month": "month,"}[request.by]
    grouped = {"station": "", "year": ", year(month)", "month": ", month"}[request.by]
    sums = ", ".join(f"sum({name}_days)::bigint as {name}_days" for name in FIELDS)
    codes_sql = ", ".join(f"sum(quality_{code}_values)::bigint as quality_{code}_values" for code in (0, 2, 9))
    sql = f"""
        select
            station_id, max_by(station_name, month) as station_name, department_code, {period}
            min(month) as first_month, max(month) as last_month, sum(days)::bigint as days, {sums}, {codes_sql}
        from meta.archive_coverage
        where {" and ".join(conditions)}
        group by station_id, department_code{grouped}
    """
    key = "station_id" if request.by == "station" else f"station_id, {request.by}"
    return _page(snapshot, executor, sql, params, key, request)


def has_archive(snapshot: OpenSnapshot) -> bool:
    """Whether the snapshot shows the open archive."""
    return "marts.daily_history" in snapshot.relations


def find_post(snapshot: OpenSnapshot, executor: Executor, text: str) -> str:
    """Find the one post of the archive or of the stations meant by an id or a name; closed posts are there too."""
    if not has_archive(snapshot):
        raise ArchiveEmpty
    if snapshot.post_names is None:
        is_new = "meta.archive_hours_coverage" in snapshot.relations
        hours = " union select station_id, station_name from meta.archive_hours_coverage" if is_new else ""
        rows = executor.fetch_dicts(
            snapshot,
            "select distinct station_id, station_name from meta.archive_coverage"
            f"{hours} union select station_id, station_name from marts.stations order by station_id",
        )
        snapshot.post_names = ids_by_name((row["station_id"], row["station_name"]) for row in rows)
    found = snapshot.post_names.get(fold(text), [])
    if not found:
        raise NotFound("station", text, list(snapshot.post_names), field="station", look_at=_LOOK_AT)
    if len(found) > 1:
        raise BadValue("station", f"{len(found)} stations are called “{text[:60]}”", f"give an id: {', '.join(found)}")
    return found[0]


def _known_quantity(name: str | None, known: Sequence[str]) -> str:
    if name is None or name not in known:
        close = [hit[0] for hit in process.extract(name or "", known, limit=1, score_cutoff=60)]
        hint = f"did you mean {close[0]}? " if close else ""
        raise BadValue(
            "quantity", f"“{(name or '')[:60]}” is not among them", f"{hint}choose one of {', '.join(known)}"
        )
    return name

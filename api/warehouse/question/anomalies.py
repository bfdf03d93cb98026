"""Was it normal? One day, or the month or year up to it, of one station; or one day of every station."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from api.warehouse.answer.render import Document, Rows
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.question.climate import PERIOD, RULES, days_of, known_quantity, read_page
from api.warehouse.question.filters import Condition
from api.warehouse.question.paging import Bounds
from api.warehouse.question.posts import find_post, known_as, require_archive, say_if_empty
from api.warehouse.question.same_days import compare, read_spans, same_days
from api.warehouse.question.stations import resolve_departments
from ingestion.archive import climate

_SAME_DAYS = (
    "The same days of each year, from the first of the month or year to this day. At least "
    f"{climate.LEAST_YEARS} of 30 years. A sum counts when no day is missing, a mean when at most a third are "
    f"and at most {climate.MOST_IN_A_ROW} in a row."
)


@dataclass(frozen=True, kw_only=True)
class AllNormalRequest(Bounds):
    """Which stations' day is wanted."""

    day: date
    quantity: str
    dept: Sequence[str] = ()


def read_normal(
    snapshot: OpenSnapshot, executor: Executor, station: str, day: date, quantity: str, resolution: str = "day"
) -> Document:
    """Say whether a day, or the month or year up to it, was normal for one station."""
    name = known_quantity(quantity, climate.OF_NORMALS)
    post = find_post(snapshot, executor, station)
    read = _read_day if resolution == "day" else _read_running
    answer = read(snapshot, executor, post, day, name, resolution)
    is_empty = answer["value"] is None and not answer.get("days")
    said = say_if_empty(snapshot, executor, post, is_empty=is_empty)
    return Document(
        {"station_id": post, "date": day.isoformat(), "quantity": name, **answer}, {**known_as(post), **said}
    )


def _read_running(
    snapshot: OpenSnapshot, executor: Executor, post: str, day: date, name: str, resolution: str
) -> dict[str, Any]:
    first = day.replace(day=1) if resolution == "month" else date(day.year, 1, 1)
    is_sum = name in climate.SUMS
    spans = read_spans(
        snapshot,
        executor,
        f"select observed_date, {name} as value from {days_of(snapshot, name)} where station_id = ?",
        [post],
        same_days(first, day),
        is_sum=is_sum,
        station=post,
    )
    mine = spans.get(day.year)
    value = mine.value if mine and mine.is_whole else None
    return {
        "resolution": resolution,
        "first_day": first.isoformat(),
        "statistic": "sum" if is_sum else "mean",
        "value": None if value is None else round(value, 2),
        "days": mine.days if mine else 0,
        "missing_days": mine.missing_days if mine else (day - first).days + 1,
        "is_whole": value is not None,
        "period": PERIOD,
        **compare(value, spans),
        "rule": f"`value` is null where `is_whole` is false. {_SAME_DAYS}",
    }


def _read_day(
    snapshot: OpenSnapshot, executor: Executor, post: str, day: date, name: str, resolution: str
) -> dict[str, Any]:
    told = executor.fetch_dicts(
        snapshot,
        f"select station_name, day_source, is_final, {name} as value, quality[?] as quality"
        f" from {days_of(snapshot, name)} where station_id = ? and observed_date = ?",
        [name, post, day],
        post,
    )
    folded = _folded(day)
    normals = executor.fetch_dicts(
        snapshot,
        "select * exclude (station_id, quantity, month, day) from marts.normals_daily"
        " where station_id = ? and quantity = ? and month = ? and day = ?",
        [post, name, folded.month, folded.day],
        post,
    )
    value = told[0]["value"] if told else None
    normal = normals[0] if normals else {"normal": None, "years": 0, "is_normal": False}
    answer: dict[str, Any] = {
        "station_name": told[0]["station_name"] if told else None,
        "resolution": resolution,
        "value": value,
        "day_source": told[0]["day_source"] if told and value is not None else None,
        # The code of an official value that is not named in the map is 1.
        "quality": told[0]["quality"] if told else None,
        "period": PERIOD,
        **normal,
        "departure": None,
        "percentile": None,
        "rank": None,
        "rank_of_years": None,
        "rule": RULES["days"],
    }
    if value is None:
        return answer
    place = _place(snapshot, executor, post, day, name, value)
    answer |= {"rank": place["rank"], "rank_of_years": place["rank_of_years"]}
    if normal["is_normal"]:
        answer["departure"] = round(value - normal["normal"], 2)
        answer["percentile"] = place["percentile"]
    return answer


def _folded(day: date) -> date:
    """The calendar day whose normal counts: 29 February has none of its own."""
    return day.replace(day=28) if (day.month, day.day) == (2, 29) else day


def _place(snapshot: OpenSnapshot, executor: Executor, post: str, day: date, name: str, value: float) -> dict[str, Any]:
    """Rank among the same calendar day of every year, and the share of the normal's days that are lower, in percent."""
    folded = _folded(day)
    # A day near New Year belongs to the window of the year beside its own.
    windows = " or ".join(
        f"(year(observed_date) + {step} between {climate.FIRST_YEAR} and {climate.LAST_YEAR} and abs(observed_date"
        f" - make_date(year(observed_date) + {step}, {folded.month}, {folded.day})) <= {climate.NEIGHBOURS})"
        for step in (-1, 0, 1)
    )
    (row,) = executor.fetch_dicts(
        snapshot,
        f"""
        select
            count(*) filter (is_same and is_higher) + 1 as rank, count(*) filter (is_same) as rank_of_years,
            round(100 * (count(*) filter (is_of_normal and is_lower)
                + count(*) filter (is_of_normal and not is_lower and not is_higher) / 2)
                / nullif(count(*) filter (is_of_normal), 0), 1) as percentile
        from (
            select
                {name} > ? as is_higher, {name} < ? as is_lower,
                month(observed_date) = {day.month} and day(observed_date) = {day.day} as is_same,
                day_source = 'official' and ({windows}) as is_of_normal
            from {days_of(snapshot, name)}
            where station_id = ? and {name} is not null
        ) as days
        """,
        [value, value, post],
        post,
    )
    return row


def read_all_normal(snapshot: OpenSnapshot, executor: Executor, request: AllNormalRequest) -> Rows:
    """One day of every station against its normal. `percentile_range` says between which percentiles the value is."""
    require_archive(snapshot)
    name = known_quantity(request.quantity, climate.OF_NORMALS)
    folded = _folded(request.day)
    codes = resolve_departments(request.dept) if request.dept else []
    of_department = f" and department_code in ({', '.join('?' * len(codes))})" if codes else ""
    sql = f"""(
        select
            days.station_id, days.station_name, days.department_code, stations.latitude, stations.longitude,
            days.observed_date as date, ? as quantity, days.value, days.day_source, days.is_final, normals.normal,
            round(days.value - normals.normal, 2) as departure, normals.standard_deviation, normals.p05, normals.p10,
            normals.p50, normals.p90, normals.p95,
            case
                when normals.is_normal is distinct from true then null
                {" ".join(f"when days.value < normals.p{high:02} then '{low}-{high}'" for low, high in _RANGES)}
                else '95-100'
            end as percentile_range,
            coalesce(normals.years, 0) as years, coalesce(normals.is_normal, false) as is_normal
        from (
            select station_id, station_name, department_code, observed_date, day_source, is_final, {name} as value
            from {days_of(snapshot, name)}
            where observed_date = ? and {name} is not null{of_department}
        ) as days
        left join (select * from marts.normals_daily where quantity = ? and month = ? and day = ?) as normals
            on days.station_id = normals.station_id
        left join marts.stations as stations on days.station_id = stations.station_id
    )"""
    params = (name, request.day, *codes, name, folded.month, folded.day)
    found = read_page(snapshot, executor, Condition(sql, params), "station_id", request)
    said = {} if found.row_count or request.cursor else {"message": f"no station has this value on {request.day}"}
    return Rows(found.table, found.next_cursor, members={"period": PERIOD, "rule": RULES["days"], **said})


_RANGES = ((0, 5), (5, 10), (10, 50), (50, 90), (90, 95))

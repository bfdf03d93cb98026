"""The view Archive: which days of which posts the open archive has, as a heat map of posts and years."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response

from api.page.answer import Context, View, answer
from api.page.reader import Reader
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import BadValue
from api.warehouse.question.posts import has_archive
from api.warehouse.question.stations import resolve_departments
from ingestion.archive.climate import LEAST_YEARS
from ingestion.departments import all_departments

router = APIRouter(include_in_schema=False)

# What the address says, and the column of meta.archive_coverage that counts its days.
QUANTITIES = {
    "any": "days",
    "rain": "precipitation_mm_days",
    "temperature": "least(temperature_min_c_days, temperature_max_c_days)",
    "wind": "wind_mean_ms_days",
    "hours": "hours / 24",  # of the archive's hours, so that all can be read as days
}
_MOST_POSTS = 400
_MOST_MARKS = 8
# From how many hundredths of a year's days on a year has each of the colours; the last one means all of them.
_SHADES = (0, 25, 75, 95, 100)

_YEARS = """
select
    station_id, max_by(station_name, month) as station_name, year(month) as year, floor(sum({days}))::bigint as days,
    365 + (year(month) % 4 = 0 and (year(month) % 100 != 0 or year(month) % 400 = 0))::integer as of_days
from meta.{table} where department_code = ? group by station_id, year(month) having sum({days}) > 0
order by station_id, year
"""
_DEPARTMENTS = """
select
    department_code as code, count(distinct station_id) as posts, sum(days)::bigint as days,
    year(min(month)) as first_year, year(max(month)) as last_year
from meta.archive_coverage group by department_code
"""
_SHOWN = "select station_id from marts.stations where department_code = ?"


@router.api_route("/page/archive", methods=["GET", "HEAD"])
async def show_archive(request: Request) -> Response:
    """Show a département's coverage: `?dept=9&quantity=rain`."""

    def gather(snapshot: OpenSnapshot, executor: Executor, _: Reader) -> Context:
        parameters = request.query_params
        return gather_coverage(snapshot, executor, parameters.getlist("dept"), parameters.get("quantity") or "any")

    return await answer(request, View("archive.html", gather))


def gather_coverage(snapshot: OpenSnapshot, executor: Executor, dept: Sequence[str], quantity: str) -> Context:
    """Gather the posts of one département, and what there is of all."""
    if quantity not in QUANTITIES:
        raise BadValue("quantity", f"“{quantity[:20]}” is not counted", f"choose {', '.join(QUANTITIES)}")
    loaded: list[dict[str, Any]] = executor.fetch_dicts(snapshot, _DEPARTMENTS) if has_archive(snapshot) else []
    order = {department.code: place for place, department in enumerate(all_departments())}
    loaded.sort(key=lambda row: order.get(row["code"], len(order)))
    asked = resolve_departments([text for text in dept if text])
    code = asked[0] if len(asked) == 1 else next((row["code"] for row in loaded), None)
    table = "archive_hours_coverage" if quantity == "hours" else "archive_coverage"
    is_there = loaded and f"meta.{table}" in snapshot.relations
    years_sql = _YEARS.format(days=QUANTITIES[quantity], table=table)
    rows = executor.fetch_dicts(snapshot, years_sql, [code]) if is_there else []
    years = sorted({row["year"] for row in rows})
    posts = posts_of(rows)
    reported = {row["station_id"] for row in executor.fetch_dicts(snapshot, _SHOWN, [code])} if posts else set()
    return {
        "loaded": [row | {"name": _name(row["code"])} for row in loaded],
        "code": code,
        "place": _name(code),
        "quantity": quantity,
        "quantities": list(QUANTITIES),
        "first_year": years[0] if years else None,
        "last_year": years[-1] if years else None,
        "marks": _marks(years[0], years[-1]) if years else [],
        "posts": posts[:_MOST_POSTS],
        "left_out": max(0, len(posts) - _MOST_POSTS),
        "reported": reported,
        "shades": _SHADES,
        "least_years": LEAST_YEARS,
    }


def posts_of(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Gather rows of posts and years, in their order, into posts whose years of one shade are joined."""
    posts: dict[str, dict[str, Any]] = {}
    for row in rows:
        post = posts.setdefault(
            row["station_id"],
            {"station_id": row["station_id"], "first_year": row["year"], "days": 0, "full_years": 0, "runs": []},
        )
        shade = shade_of(row["days"], row["of_days"])
        post["station_name"], post["last_year"] = row["station_name"], row["year"]
        post["days"] += row["days"]
        post["full_years"] += row["days"] >= row["of_days"]
        run = post["runs"][-1] if post["runs"] else None
        if run and run["shade"] == shade and run["last"] == row["year"] - 1:
            run["last"], run["days"], run["of_days"] = (
                row["year"],
                run["days"] + row["days"],
                run["of_days"] + row["of_days"],
            )
        else:
            run = {"first": row["year"], "last": row["year"], "shade": shade,
                   "days": row["days"], "of_days": row["of_days"]}  # fmt: skip
            post["runs"].append(run)
    return list(posts.values())


def _marks(first: int, last: int) -> list[int]:
    """Round years below the axis, few enough for a narrow window."""
    step = next(step for step in (10, 20, 50, 100) if (last - first) / step <= _MOST_MARKS or step == 100)
    return [year for year in range(first, last + 1) if year % step == 0]


def shade_of(days: int, of_days: int) -> int:
    """Which colour a year has, 0 for the fewest days to 4 for all."""
    return sum(days * 100 >= of_days * least for least in _SHADES[1:])


def _name(code: str | None) -> str:
    return next((department.name for department in all_departments() if department.code == code), code or "")

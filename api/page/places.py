"""The view My places: the stations that the address names, each with its newest hour and its last 24 hours."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response

from api.errors import ApiProblem
from api.page.answer import Context, View, answer
from api.page.last_day import read_last_day
from api.page.measures import MEASURES
from api.page.mine import MOST_PLACES, read_places
from api.page.reader import Reader
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import AmbiguousPlace
from api.warehouse.question.locate import station_at
from api.warehouse.question.station_profile import newest_hour
from api.warehouse.question.stations import resolve_stations
from ingestion.departments import all_departments

router = APIRouter(include_in_schema=False)

_CURVES = ("temperature", "rain", "wind")

_LATEST = """
select
    s.station_id, s.station_name, s.department_code, s.altitude_m, l.observed_at, l.temperature_c, l.precipitation_mm,
    l.is_trace, l.precipitation_24h_mm, l.wind_speed_ms * 3.6 as wind_kmh, l.wind_sector, l.gust_ms * 3.6 as gust_kmh,
    l.snow_depth_cm
from marts.stations as s left join marts.latest_observations as l using (station_id)
where list_contains(?, s.station_id)
"""


@router.api_route("/page/places", methods=["GET", "HEAD"])
async def show_places(request: Request) -> Response:
    """Show the reader's own places: `?mine=09289001,31069001`; `add=` adds one by its name."""

    def gather(snapshot: OpenSnapshot, executor: Executor, _: Reader) -> Context:
        parameters = request.query_params
        return gather_places(snapshot, executor, read_places(parameters.get("mine")), parameters.get("add", ""))

    return await answer(request, View("places.html", gather))


def gather_places(snapshot: OpenSnapshot, executor: Executor, ids: Sequence[str], added: str) -> Context:
    """Gather the stations in the order of the address; a name that cannot be added is told."""
    told = _find(snapshot, executor, added[:120]) if added.strip() else {}
    ids = list(dict.fromkeys([*ids, *told.get("ids", [])]))[:MOST_PLACES]
    rows = {row["station_id"]: row for row in executor.fetch_dicts(snapshot, _LATEST, [list(ids)])}
    newest = newest_hour(snapshot)
    days: dict[str, dict[str, Any]] = {}
    for measure in MEASURES:
        if measure.key in _CURVES and rows:
            wanted = ("list_contains(?, station_id)", [list(rows)])
            days[measure.key] = read_last_day(snapshot, executor, measure, newest, wanted)
    return {
        "places": [rows.get(one, {"station_id": one, "station_name": None}) for one in ids],
        "department_names": {department.code: department.name for department in all_departments()},
        "days": days,
        "told": told,
        "asked_now": {"mine": ",".join(ids), "add": ""},  # the links of the page go on from the longer list
    }


def _find(snapshot: OpenSnapshot, executor: Executor, name: str) -> dict[str, Any]:
    """Find the stations of a name, else the one that stands for a town; what there is to say when it is neither."""
    try:
        return {"ids": resolve_stations(snapshot, executor, [name])}
    except ApiProblem:
        pass
    try:
        found = station_at(snapshot, executor, name)
    except AmbiguousPlace as several:
        return {"name": name, "choices": several.choices}
    except ApiProblem:
        return {"name": name, "choices": []}
    return {"ids": [found["station"]["station_id"]], "town": found["place"], "station": found["station"]}

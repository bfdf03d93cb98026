"""The view Now: each station's newest hour on a map and in a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request, Response

from api.page.answer import Context, View, answer
from api.page.departures import add_departures, read_departures, sort_by_departure
from api.page.frames import HEIGHT, WIDTH, frame_of, is_overseas, make_frames, outlines
from api.page.last_day import find_extremes, read_last_day
from api.page.measures import AGAINST_NORMAL, MEASURES, Measure, band_of, read_bands
from api.page.reader import Reader
from api.page.town import stations_of_town
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import BadValue
from api.warehouse.question.posts import has_archive
from api.warehouse.question.station_profile import newest_hour
from api.warehouse.question.stations import resolve_departments
from ingestion.departments import all_departments, fold

router = APIRouter(include_in_schema=False)

# As marts.stations counts silence: later than all but one row in a hundred arrive.
_OLD_AFTER = timedelta(hours=3)
_SHORT_NAME = 11  # letters that fit below an inset

_COLUMNS = """
select station_id, station_name, department_code, latitude, longitude, altitude_m, observed_at,
    temperature_c, precipitation_mm, is_trace, precipitation_24h_mm, wind_speed_ms, wind_direction_deg, wind_sector,
    gust_ms * 3.6 as gust_kmh, snow_depth_cm
from marts.latest_observations
"""
_ORDERS = {
    "name": "station_name",
    "dept": "department_code",
    "observed": "observed_at",
    "altitude": "altitude_m",
    "temperature": "temperature_c",
    "rain": "precipitation_mm",
    "rain24": "precipitation_24h_mm",
    "wind": "wind_speed_ms",
    "gust": "gust_ms",
    "snow": "snow_depth_cm",
    "normal": "station_name",  # sorted again when it is known
}


@dataclass(frozen=True)
class MapState:
    """The view's state, as the address has it."""

    measure: Measure
    codes: tuple[str, ...]  # of départements; none means all
    order: str
    is_descending: bool
    text: str


@router.api_route("/", methods=["GET", "HEAD"])
async def show_now(request: Request) -> Response:
    """Show the newest hours: `?show=rain&dept=9&sort=-rain&q=foix`."""

    def gather(snapshot: OpenSnapshot, executor: Executor, reader: Reader) -> Context:
        return gather_now(snapshot, executor, reader, _read_state(request))

    return await answer(request, View("now.html", gather))


def _read_state(request: Request) -> MapState:
    parameters = request.query_params
    show = parameters.get("show") or MEASURES[0].key
    known = (*MEASURES, AGAINST_NORMAL)
    measure = next((measure for measure in known if measure.key == show), None)
    if measure is None:
        raise BadValue("show", f"“{show[:20]}” is not shown", f"choose {', '.join(m.key for m in known)}")
    order = parameters.get("sort") or "name"
    if order.removeprefix("-") not in _ORDERS:
        raise BadValue("sort", f"“{order[:20]}” is no order", f"choose {', '.join(_ORDERS)}, with - for descending")
    codes = tuple(resolve_departments(parameters.getlist("dept")))
    codes = () if len(codes) == len(all_departments()) else codes
    return MapState(measure, codes, order.removeprefix("-"), order.startswith("-"), parameters.get("q", "")[:100])


def gather_now(snapshot: OpenSnapshot, executor: Executor, reader: Reader, asked: MapState) -> Context:
    """Gather stations, bands and the map's frames."""
    stations = _read_stations(snapshot, executor, asked)
    bands = read_bands(snapshot, executor, asked.measure, reader)
    newest = newest_hour(snapshot)
    if asked.measure is AGAINST_NORMAL:
        add_departures(stations, read_departures(snapshot, executor, newest) if has_archive(snapshot) else {})
        if asked.order == AGAINST_NORMAL.key:
            stations = sort_by_departure(stations, is_descending=asked.is_descending)
    for row, station in enumerate(stations):
        station["row"] = row  # the map's points find their table rows by it
        station["band"] = band_of(station[asked.measure.column], bands)
        station["is_old"] = newest is not None and newest - station["observed_at"] >= _OLD_AFTER
    last_day = read_last_day(snapshot, executor, asked.measure, newest, _of_departments(asked.codes))
    known = [row["code"] for row in executor.fetch_dicts(snapshot, _KNOWN)]
    return {
        "state": asked,
        "place": next((row["town"] for row in stations if "town" in row), None)
        or next((d.name for d in all_departments() if (d.code,) == asked.codes), None),
        "measures": (*MEASURES, AGAINST_NORMAL) if has_archive(snapshot) else MEASURES,
        "is_against_normal": asked.measure is AGAINST_NORMAL,
        "measure": asked.measure,
        "stations": stations,
        "shared_hour": _most_common([station["observed_at"] for station in stations]),
        "departments": [d for d in all_departments() if d.code in known],
        "bands": [{"lower": band.lower, "name": band.name} for band in bands],
        "summary": _summarise(stations, asked.measure),
        "last_day": last_day,
        "extremes": find_extremes(stations, last_day),
        "map": _draw(stations, asked.codes),
    }


_KNOWN = "select distinct department_code as code from marts.latest_observations"


def _of_departments(codes: Sequence[str]) -> tuple[str, Sequence[str]]:
    """An SQL condition and its values; an empty one for all départements."""
    return f"department_code in ({', '.join('?' * len(codes))})" if codes else "", codes


def _read_stations(snapshot: OpenSnapshot, executor: Executor, asked: MapState) -> list[dict[str, Any]]:
    condition, values = _of_departments(asked.codes)
    where = f"where {condition}" if condition else ""
    direction = "desc" if asked.is_descending else "asc"
    order = f"order by {_ORDERS[asked.order]} {direction} nulls last, station_name, station_id"
    rows = executor.fetch_dicts(snapshot, f"{_COLUMNS} {where} {order}", values)
    names = {department.code: department.name for department in all_departments()}
    for row in rows:
        row["department_name"] = names.get(row["department_code"], "")
    if asked.text:
        wanted = fold(asked.text)
        named = [row for row in rows if wanted in fold(f"{row['station_name']} {row['department_name']}")
                 or row["station_id"].startswith(asked.text)]  # fmt: skip
        rows = named or stations_of_town(snapshot, executor, rows, asked.text, asked.codes)
        if not named and (asked.order, asked.is_descending) == ("name", False):  # no order was chosen: nearest first
            rows.sort(key=lambda row: row["farness"])
    return rows


def _most_common(hours: Sequence[datetime]) -> datetime | None:
    return max(set(hours), key=hours.count) if hours else None


def _summarise(stations: Sequence[dict[str, Any]], measure: Measure) -> Context:
    """The extremes, for those who do not see the map."""
    measured = [station for station in stations if station[measure.column] is not None]
    by_value = sorted(measured, key=lambda station: station[measure.column])
    return {"count": len(measured), "lowest": by_value[0] if by_value else None,
            "highest": by_value[-1] if by_value else None}  # fmt: skip


def _draw(stations: Sequence[dict[str, Any]], chosen: Sequence[str]) -> Context:
    codes = {station["department_code"] for station in stations} | set(chosen)
    frames = make_frames(codes)
    names = {department.code: department.name for department in all_departments()}
    lands = []
    for frame in frames:
        if frame.code is None:
            shown = [code for code in outlines() if not is_overseas(code) and frame.shows(code)]
        else:
            shown = [frame.code]
        lands += [{"code": code, "path": frame.path(code), "has_stations": code in codes} for code in shown]
    for station in stations:
        inside = frame_of(frames, station["department_code"])
        is_placed = inside is not None and station["latitude"] is not None
        station["place"] = inside.place(station["longitude"], station["latitude"]) if inside and is_placed else None
    beside = [frame for frame in frames if frame.code] if len(frames) > 1 else []
    insets = [{"frame": frame, "lines": _in_two_lines(names[frame.code or ""])} for frame in beside]
    # Few stations get large points, two thousand small ones.
    size = "few" if len(stations) < 60 else "some" if len(stations) < 400 else "many"
    return {"width": WIDTH, "height": HEIGHT, "lands": lands, "insets": insets, "size": size}


def _in_two_lines(name: str) -> list[str]:
    """Break a long name where it is next to its middle, for a narrow inset."""
    places = [place + 1 for place, letter in enumerate(name) if letter in " -"]
    if len(name) <= _SHORT_NAME or not places:
        return [name]
    middle = min(places, key=lambda place: abs(place - len(name) / 2))
    return [name[:middle].strip(), name[middle:]]

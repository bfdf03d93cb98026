"""Where a question is about: a place by its name, or a point, and the station that stands for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from api.warehouse.gazetteer.find import NoSuchPlace, SeveralPlaces, find_place
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import AmbiguousPlace, BadValue, UnknownPlace
from api.warehouse.question.filters import Condition
from api.warehouse.question.places import DISTANCE, FARNESS, HIGHER, Point, read_point, within
from api.warehouse.question.stations import STATIONS, known_stations, nearest_names, station_names, station_row
from ingestion.departments import fold


@dataclass(frozen=True)
class Limits:
    """How far a station may be, and how much above or below; None: altitude does not count."""

    max_km: float = 50.0
    max_height_m: float | None = 300.0


@dataclass(frozen=True)
class Located:
    """The point asked about, and what the answer says about it."""

    point: Point
    facts: Mapping[str, Any]
    department_code: str | None = None


def locate(
    snapshot: OpenSnapshot, executor: Executor, place: str | None, near: str | None, altitude: float | None
) -> Located | None:
    """Find the point meant by a name or by coordinates; None when neither is given."""
    if place is not None and near is not None:
        raise BadValue("place", "a place and a point are both given", "give either place or near")
    if place is not None:
        found = _named(snapshot, executor, place)
        if altitude is not None:
            point = replace(found.point, altitude_m=altitude)
            return replace(found, point=point, facts={**found.facts, "altitude_m": altitude})
        if found.point.altitude_m is None:
            doubts = [found.facts["doubt"], "its altitude is not known: altitude= makes height count"]
            return replace(found, facts={**found.facts, "doubt": "; ".join(filter(None, doubts))})
        return found
    if near is not None:
        point = replace(read_point(near), altitude_m=altitude)
        return Located(point, {"latitude": point.latitude, "longitude": point.longitude, "altitude_m": altitude})
    if altitude is not None:
        raise BadValue("altitude", "there is no place that it belongs to", "add place or near")
    return None


def _named(snapshot: OpenSnapshot, executor: Executor, text: str) -> Located:
    try:
        found = find_place(text)
    except SeveralPlaces as error:
        raise AmbiguousPlace(text, [str(choice) for choice in error.choices], error.count) from error
    except NoSuchPlace as error:
        if ids := station_names(snapshot, executor).get(fold(text)):
            return _at_station(snapshot, executor, ids[0])
        close = error.close or nearest_names(text, known_stations(snapshot, executor).values())
        raise UnknownPlace(text, close[:3], error.why) from error
    commune = found.commune
    facts = {
        "name": commune.name,
        "department_code": commune.department_code or commune.insee_department,
        "insee_code": commune.code,
        "latitude": commune.latitude,
        "longitude": commune.longitude,
        "altitude_m": commune.altitude_m,
        "doubt": found.doubt,
    }
    return Located(Point(commune.latitude, commune.longitude, commune.altitude_m), facts, commune.department_code)


def _at_station(snapshot: OpenSnapshot, executor: Executor, station_id: str) -> Located:
    """A place that is no commune but where a station bears the name, such as a summit."""
    row = station_row(snapshot, executor, station_id)
    if row["latitude"] is None:
        raise UnknownPlace(row["station_name"] or station_id, [], "the place of this station is not known")
    names = ("department_code", "latitude", "longitude", "altitude_m")
    facts = {"name": row["station_name"], **{name: row[name] for name in names}, "doubt": None}
    return Located(Point(row["latitude"], row["longitude"], row["altitude_m"]), facts, row["department_code"])


def nearest_stations(
    snapshot: OpenSnapshot,
    executor: Executor,
    point: Point,
    limits: Limits,
    conditions: Sequence[Condition],
    limit: int,
) -> pa.Table:
    """Stations with all that is known of them, the nearest first with the height counted in, silent ones last."""
    counted = point if limits.max_height_m is not None else replace(point, altitude_m=None)
    conditions = [*conditions, *within(counted, limits.max_km, limits.max_height_m)]
    return executor.fetch(
        snapshot,
        f"select *, {DISTANCE} as distance_km, {HIGHER} as higher_m from {STATIONS}"
        f" where {' and '.join(item.sql for item in conditions)}"
        f" order by silent_since is not null, {FARNESS}, station_id limit {limit}",
        [
            *(*point.params, point.altitude_m),
            *(value for item in conditions for value in item.params),
            *counted.height_params,
        ],
    )


def stations_around(
    snapshot: OpenSnapshot, executor: Executor, point: Point, limits: Limits, limit: int
) -> list[dict[str, Any]]:
    """The nearest stations that have hours."""
    have_hours = Condition("last_observed_at is not null")
    rows: list[dict[str, Any]] = nearest_stations(snapshot, executor, point, limits, [have_hours], limit).to_pylist()
    return rows


def station_at(snapshot: OpenSnapshot, executor: Executor, place: str) -> dict[str, Any]:
    """What was understood by a place, and the one station that stands for it; raises BadValue when there is none."""
    located, limits = locate(snapshot, executor, place, None, None), Limits()
    assert located is not None  # noqa: S101 - a place was given
    around = stations_around(snapshot, executor, located.point, limits, 1)
    if not around:
        raise BadValue("place", none_around(located, limits), "name a station: /warehouse/stations lists them")
    return {"place": located.facts, "station": standing(around[0])}


def standing(row: Mapping[str, Any]) -> dict[str, Any]:
    """What an answer says about the station that stands for the place."""
    names = ("station_id", "station_name", "distance_km", "altitude_m", "higher_m")
    return {name: row[name] for name in names if name in row}


def none_around(located: Located, limits: Limits) -> str:
    """Tell why no station stands for the place."""
    name = located.facts.get("name") or "the point"
    if limits.max_height_m is None or located.point.altitude_m is None:
        return f"no station within {limits.max_km:g} km of {name}; max_km widens the search"
    return (
        f"no station within {limits.max_km:g} km and {limits.max_height_m:g} m of altitude of {name}"
        f" ({located.point.altitude_m:g} m); max_km and max_height_m widen the search"
    )

"""Stations by id or by name, as people write them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rapidfuzz import fuzz

from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import KnownStation, OpenSnapshot
from api.warehouse.problems import BadValue, NotFound
from ingestion.departments import fold, resolve_all
from ingestion.errors import UnknownDepartment

STATIONS = "marts.stations"
_LOOK_AT = "/warehouse/stations"

# `fold` as SQL, for the columns of a query.
FOLDED_NAME = (
    "regexp_replace(trim(regexp_replace(lower(strip_accents(station_name)), '[^a-z0-9]+', ' ', 'g')),"
    r" '\bst\b', 'saint', 'g')"
)

_HOUR = "%Y-%m-%dT%H:%MZ"

_MOST_NAMES = 5
_ALIKE, _UNLIKE = 3, 4
_LEAST_LIKENESS = 75  # of 100; at 60 LYON is like LONGUYON


def resolve_stations(snapshot: OpenSnapshot, executor: Executor, texts: Sequence[str]) -> list[str]:
    """Ids of the stations meant by ids or names; a name that several stations bear means all of them."""
    known = station_names(snapshot, executor)
    ids: dict[str, None] = {}
    for text in (part.strip() for value in texts for part in value.split(",")):
        if not text:
            continue
        found = known.get(fold(text))
        if found is None:
            raise _unknown(snapshot, executor, text, "station")
        ids |= dict.fromkeys(found)
    if not ids:
        raise BadValue("station", "no station is named", f"give an id or a name from {_LOOK_AT}, or leave it out")
    return list(ids)


def resolve_departments(texts: Sequence[str]) -> list[str]:
    """Codes of the départements meant; raises BadValue with the nearest."""
    try:
        return [department.code for department in resolve_all(texts)]
    except UnknownDepartment as error:
        raise BadValue("dept", str(error), "give a code such as 9, a name such as Ariège, or `all`") from error


def known_stations(snapshot: OpenSnapshot, executor: Executor) -> Mapping[str, KnownStation]:
    """Stations by id; read once per snapshot."""
    if snapshot.stations is None:
        columns = "station_id, station_name, latitude, longitude, first_observed_at, last_observed_at"
        snapshot.stations = {
            row["station_id"]: KnownStation(
                row["station_id"],
                row["station_name"],
                (row["latitude"], row["longitude"]) if row["latitude"] is not None else None,
                (row["first_observed_at"], row["last_observed_at"]) if row["first_observed_at"] else None,
            )
            for row in executor.fetch_dicts(snapshot, f"select {columns} from {STATIONS}")
        }
    return snapshot.stations


def station_names(snapshot: OpenSnapshot, executor: Executor) -> Mapping[str, list[str]]:
    """Ids by folded id and name; made once per snapshot."""
    if snapshot.station_names is None:
        known = known_stations(snapshot, executor).values()
        snapshot.station_names = ids_by_name((station.station_id, station.name) for station in known)
    return snapshot.station_names


def ids_by_name(stations: Iterable[tuple[str, str | None]]) -> dict[str, list[str]]:
    """Ids by folded id and name, each once and in the order given."""
    by_name: dict[str, dict[str, None]] = defaultdict(dict)
    for station_id, name in stations:
        by_name[station_id][station_id] = None
        if name:
            by_name[fold(name)][station_id] = None
    return {name: list(ids) for name, ids in by_name.items()}


def nearest_names(text: str, stations: Iterable[KnownStation]) -> list[str]:
    """Name the stations that may be meant: by how the name begins, then by a word of it, then by likeness."""
    key = fold(text)
    if not key:
        return []
    found = [(_rank(key, station), station) for station in stations]
    best = min((rank[0] for rank, _ in found), default=_ALIKE)
    # What is merely alike is worth nothing beside a name that holds the word.
    kept = sorted(
        (rank, str(station)) for rank, station in found if (rank[0] < _ALIKE if best < _ALIKE else rank[0] == _ALIKE)
    )
    return [name for _, name in kept[:_MOST_NAMES]]


def _rank(key: str, station: KnownStation) -> tuple[int, bool, float]:
    """How well a station fits, least is best: kind of fit, whether it has no data, unlikeness."""
    name, is_silent = fold(station.name or ""), station.hours is None
    score = fuzz.ratio(key, station.station_id if key.isdecimal() else name)
    if f"{name} ".startswith(f"{key} "):
        return 0, is_silent, -score
    if name.startswith(key) or station.station_id.startswith(key):
        return 1, is_silent, -score
    if f" {key} " in f" {name} ":
        return 2, is_silent, -score
    score = max([score, *(fuzz.ratio(key, word) for word in name.split())])
    return (_ALIKE if score >= _LEAST_LIKENESS else _UNLIKE), False, -score


def say_if_silent(
    snapshot: OpenSnapshot, executor: Executor, texts: Sequence[str], *, is_empty: bool = False
) -> dict[str, str]:
    """Tell, as a member beside `data`, of named stations that have no row; `is_empty`: the time range has none."""
    if not texts:
        return {}
    known = known_stations(snapshot, executor)
    named = [known[station_id] for station_id in resolve_stations(snapshot, executor, texts)]
    if silent := [station for station in named if station.hours is None]:
        place = next((station.place for station in silent if station.place), None)
        near = f": /warehouse/latest?near={place[0]:g},{place[1]:g} gives the stations around" if place else ""
        return {"message": f"no hour is known of {_list(silent)}, only the entry in the station list{near}"}
    if is_empty:
        hours = [station.hours for station in named if station.hours]
        since, until = min(first for first, _ in hours), max(last for _, last in hours)
        return {"message": f"no row fits; hours of {_list(named)}: {since:{_HOUR}} to {until:{_HOUR}}"}
    return {}


def _list(stations: Sequence[KnownStation]) -> str:
    shown = ", ".join(map(str, stations[:_MOST_NAMES]))
    return shown if len(stations) <= _MOST_NAMES else f"{shown} and {len(stations) - _MOST_NAMES} more"


def station_row(snapshot: OpenSnapshot, executor: Executor, station_id: str) -> dict[str, Any]:
    """One station's row of the mart."""
    rows = executor.fetch_dicts(snapshot, f"select * from {STATIONS} where station_id = ?", [station_id])
    if not rows:
        raise _unknown(snapshot, executor, station_id, "station_id")
    return rows[0]


def _unknown(snapshot: OpenSnapshot, executor: Executor, text: str, field: str) -> NotFound:
    close = nearest_names(text, known_stations(snapshot, executor).values())
    return NotFound("station", text, [], field=field, look_at=_LOOK_AT, close=close)

"""Stations by id or by name, as people write them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import BadValue, NotFound
from ingestion.departments import fold, resolve_all
from ingestion.errors import UnknownDepartment

STATIONS = "marts.stations"
_LOOK_AT = "/warehouse/stations"


def resolve_stations(snapshot: OpenSnapshot, executor: Executor, texts: Sequence[str]) -> list[str]:
    """Ids of the stations meant by ids or names; a name that several stations bear means all of them."""
    known = station_names(snapshot, executor)
    ids: dict[str, None] = {}
    for text in (part.strip() for value in texts for part in value.split(",")):
        if not text:
            continue
        found = known.get(fold(text))
        if found is None:
            raise NotFound("station", text, list(known), field="station", look_at=_LOOK_AT)
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


def station_names(snapshot: OpenSnapshot, executor: Executor) -> Mapping[str, list[str]]:
    """Ids by folded id and name; read once per snapshot."""
    if snapshot.station_names is None:
        by_name: dict[str, list[str]] = defaultdict(list)
        for row in executor.fetch_dicts(snapshot, f"select station_id, station_name from {STATIONS}"):
            by_name[row["station_id"]].append(row["station_id"])
            if row["station_name"]:
                by_name[fold(row["station_name"])].append(row["station_id"])
        snapshot.station_names = dict(by_name)
    return snapshot.station_names


def station_row(snapshot: OpenSnapshot, executor: Executor, station_id: str) -> dict[str, Any]:
    """One station's row of the mart."""
    rows = executor.fetch_dicts(snapshot, f"select * from {STATIONS} where station_id = ?", [station_id])
    if not rows:
        raise NotFound(
            "station", station_id, list(station_names(snapshot, executor)), field="station_id", look_at=_LOOK_AT
        )
    return rows[0]

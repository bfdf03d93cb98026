"""The search box finds towns too: the stations around one, where no station bears what was typed."""

from collections.abc import Sequence
from typing import Any

from api.warehouse.gazetteer.find import Found, NoSuchPlace, SeveralPlaces, find_place
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.question.locate import Limits, stations_around
from api.warehouse.question.places import Point

_SHOWN = 8


def stations_of_town(
    snapshot: OpenSnapshot, executor: Executor, rows: Sequence[dict[str, Any]], text: str, codes: Sequence[str]
) -> list[dict[str, Any]]:
    """Those of the rows that lie around the town, each with its `town` and `farness`; none where no town is meant."""
    found = _find(text, codes)
    if found is None:
        return []
    town = found.commune
    point = Point(town.latitude, town.longitude, town.altitude_m)
    around = stations_around(snapshot, executor, point, Limits(), _SHOWN)
    farness = {station["station_id"]: place for place, station in enumerate(around)}
    return [
        row | {"town": str(town), "farness": farness[row["station_id"]]} for row in rows if row["station_id"] in farness
    ]


def _find(text: str, codes: Sequence[str]) -> Found | None:
    """A département that is chosen on the page tells towns of one name apart."""
    for written in [f"{text} ({code})" for code in codes[:1]] + [text]:
        try:
            return find_place(written)
        except (NoSuchPlace, SeveralPlaces):
            continue
    return None

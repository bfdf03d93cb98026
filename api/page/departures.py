"""The last 24 hours against the normal of the day, 1991-2020: of stations that the open archive has."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot

HOURS = timedelta(hours=24)
LEAST_HOURS = 22  # of 24, for a mean

_DEPARTURES = """
with last_day as (
    select station_id, avg(temperature_c) as mean_c from marts.hourly_observations
    where observed_at > ? and observed_at <= ?
    group by station_id having count(temperature_c) >= ?
)
select station_id, mean_c, normal as normal_c, mean_c - normal as departure_c, years
from marts.normals_daily join last_day using (station_id)
where quantity = 'temperature_mean_c' and month = ? and day = ? and is_normal
"""


def read_departures(
    snapshot: OpenSnapshot, executor: Executor, newest: datetime | None
) -> Mapping[str, Mapping[str, Any]]:
    """Compare the mean temperature of the 24 hours to `newest` with the normal of the day that most of them are of."""
    if newest is None:
        return {}
    day = (newest - HOURS / 2).date()
    month, number = (2, 28) if (day.month, day.day) == (2, 29) else (day.month, day.day)
    bounds = [newest - HOURS, newest, LEAST_HOURS, month, number]
    return {row["station_id"]: row for row in executor.fetch_dicts(snapshot, _DEPARTURES, bounds)}


def add_departures(stations: Sequence[dict[str, Any]], departures: Mapping[str, Mapping[str, Any]]) -> None:
    """Write each station's normal and its departure into its row; None where there is no normal."""
    for station in stations:
        found = departures.get(station["station_id"], {})
        station |= {"departure_c": found.get("departure_c"), "normal_c": found.get("normal_c")}


def sort_by_departure(stations: list[dict[str, Any]], *, is_descending: bool) -> list[dict[str, Any]]:
    """Sort by departure, as the table's other columns are: those without one last."""
    known = [station for station in stations if station["departure_c"] is not None]
    rest = [station for station in stations if station["departure_c"] is None]
    return sorted(known, key=lambda station: station["departure_c"], reverse=is_descending) + rest

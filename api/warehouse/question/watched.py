"""The stations that a watch looks at: named, or the one that stands for a place and measures what is asked."""

from collections.abc import Sequence

from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import BadValue, NotFound
from api.warehouse.question.locate import Limits, locate, none_around, stations_around
from api.warehouse.question.stations import STATIONS, resolve_stations
from orchestration.watches.condition import SILENT, Condition

MOST_STATIONS = 100
_CANDIDATES = 12

# Sensor, as marts.stations.sensors names it, by the beginning of a column's name. The first that fits.
_SENSORS = {
    "temperature": "temperature",
    "dew_point": "dew_point",
    "humidex": "dew_point",
    "humidity": "humidity",
    "vapour_pressure_deficit": "humidity",
    "wind": "wind",
    "beaufort": "wind",
    "max_mean_wind": "wind",
    "gust": "gust",
    "precipitation": "precipitation",
    "snow_depth": "snow_depth",
    "visibility": "visibility",
    "cloud_cover": "cloud_cover",
    "sunshine": "sunshine",
    "radiation": "radiation",
    "mean_radiation": "radiation",
    "pressure": "pressure",
    "sea_level_pressure": "pressure",
    "soil_temperature": "soil_temperature",
}


def sensor_of(condition: Condition) -> str | None:
    """Give the sensor that a condition needs; None for silence."""
    if condition.column == SILENT:
        return None
    return next(sensor for start, sensor in _SENSORS.items() if condition.column.startswith(start))


def stations_named(snapshot: OpenSnapshot, executor: Executor, texts: Sequence[str], condition: Condition) -> list[str]:
    """Give the ids meant. Raises BadValue where none of them measures what is asked: such a watch would never speak."""
    try:
        ids = resolve_stations(snapshot, executor, texts)
    except NotFound as error:  # a fault of the body, not of the address
        raise BadValue("stations", error.detail, error.next_step) from error
    if len(ids) > MOST_STATIONS:
        raise BadValue("stations", f"{len(ids)} stations are meant", f"name at most {MOST_STATIONS}")
    sensor = sensor_of(condition)
    marks = ", ".join("?" * len(ids))
    rows = executor.fetch_dicts(snapshot, f"select sensors from {STATIONS} where station_id in ({marks})", ids)
    if sensor is not None and not any(sensor in row["sensors"] for row in rows):
        raise BadValue("stations", f"none of them measures {sensor}", "see `sensors` at /warehouse/stations")
    return ids


def station_standing_for(snapshot: OpenSnapshot, executor: Executor, place: str, condition: Condition) -> str:
    """Give the nearest station that measures what is asked. Raises BadValue where there is none."""
    located, limits, sensor = locate(snapshot, executor, place, None, None), Limits(), sensor_of(condition)
    assert located is not None  # noqa: S101 - a place was given
    around = stations_around(snapshot, executor, located.point, limits, _CANDIDATES)
    fit = [row["station_id"] for row in around if sensor is None or sensor in row["sensors"]]
    if not fit:
        why = none_around(located, limits) if not around else f"no station around {place[:60]} measures {sensor}"
        raise BadValue("place", why, "name a station: /warehouse/stations lists them")
    return str(fit[0])

"""One station: its place, what its sensors report, how complete its hours are, and since when it is silent."""

from datetime import date, datetime, timedelta
from typing import Any

from api.warehouse.answer.render import Document
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.question.stations import station_row
from api.warehouse.question.tables import relation_of

WINDOW_DAYS = 30

# The column that shows each sensor, named as marts.stations.sensors names them.
_SENSOR_FIELDS = {
    "temperature": "temperature_c",
    "dew_point": "dew_point_c",
    "humidity": "humidity_pct",
    "wind": "wind_speed_ms",
    "gust": "gust_ms",
    "precipitation": "precipitation_mm",
    "snow_depth": "snow_depth_cm",
    "visibility": "visibility_m",
    "ground_state": "ground_state_code",
    "cloud_cover": "cloud_cover_octas",
    "sunshine": "sunshine_min",
    "radiation": "radiation_j_m2",
    "soil_temperature": "soil_temperature_10cm_c",
    "pressure": "pressure_hpa",
    "sea_level_pressure": "sea_level_pressure_hpa",
}


def read_profile(snapshot: OpenSnapshot, executor: Executor, station_id: str) -> Document:
    """Describe one station as its last 30 days of data show it."""
    station = station_row(snapshot, executor, station_id)
    newest = newest_hour(snapshot)
    first = station["first_observed_at"]
    since = window_start(newest, first) if newest and first else None
    hours, sensors = _reported(snapshot, executor, station_id, since) if since else (0, [])
    expected = round((newest - since).total_seconds() / 3600) if newest and since else 0
    return Document(
        {
            **{name: _plain(value) for name, value in station.items()},
            "sensors": sensors,
            "completeness": {
                "days": WINDOW_DAYS,
                "hours_expected": expected,  # since its first hour, when that is less than 30 days ago
                "hours_present": hours,
                "share": round(hours / expected, 4) if expected else None,
            },
        }
    )


def window_start(newest: datetime, first: datetime) -> datetime:
    """The moment before the first hour counted: 30 days back, or less for a station that is newer."""
    start = newest - timedelta(days=WINDOW_DAYS)
    return first - timedelta(hours=1) if first > start else start  # no hour comes before the year 1


def newest_hour(snapshot: OpenSnapshot) -> datetime | None:
    """The newest observation of the snapshot: ages are measured from it, so that an answer stays true."""
    text = snapshot.manifest.newest_observation
    return datetime.fromisoformat(text) if text else None


def _reported(
    snapshot: OpenSnapshot, executor: Executor, station_id: str, since: datetime
) -> tuple[int, list[dict[str, Any]]]:
    """Hours present, and how many of them each sensor reported."""
    hourly = relation_of(snapshot, "marts", "hourly_observations")
    fields = {sensor: name for sensor, name in _SENSOR_FIELDS.items() if name in hourly.by_name}
    counts = ", ".join(
        f"count({name}) as {sensor}, max(observed_at) filter ({name} is not null) as last_{sensor}"
        for sensor, name in fields.items()
    )
    (row,) = executor.fetch_dicts(
        snapshot,
        f"select count(*) as hours, {counts} from {hourly.sql} where station_id = ? and observed_at > ?",
        [station_id, since],
    )
    sensors = [
        {
            "sensor": sensor,
            "field": name,
            "hours": row[sensor],
            "share": round(row[sensor] / row["hours"], 4),
            "last_observed_at": _plain(row[f"last_{sensor}"]),
        }
        for sensor, name in fields.items()
        if row[sensor]
    ]
    return row["hours"], sensors


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return value.isoformat() if isinstance(value, date) else value

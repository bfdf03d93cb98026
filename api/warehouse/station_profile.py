"""One station: where it is, what it really reports, how complete it is, since when it is silent."""

from datetime import UTC, datetime, timedelta
from typing import Any

from api.warehouse.catalog import Relation, quoted
from api.warehouse.execute import Executor
from api.warehouse.render import Document
from api.warehouse.snapshot import OpenSnapshot
from api.warehouse.stations import station_row
from api.warehouse.tables import relation_of

WINDOW_DAYS = 30
# p99 of a station's lateness is 185 min (measured on a month of 55 stations): later than that is silence.
SILENT_AFTER = timedelta(hours=4)

_NOT_MEASURED = frozenset(
    ["station_id", "station_name", "department_code", "observed_at", "first_seen_at", "revised_at"]
)


def read_profile(snapshot: OpenSnapshot, executor: Executor, station_id: str) -> Document:
    """Describe one station as its last 30 days of data show it."""
    station = station_row(snapshot, executor, station_id)
    hourly = relation_of(snapshot, "marts", "hourly_observations")
    newest = newest_hour(snapshot)
    since = newest - timedelta(days=WINDOW_DAYS) if newest else None
    hours, sensors = _reported(executor, snapshot, hourly, station_id, since)
    first, last = station["first_observed_at"], station["last_observed_at"]
    begun = max(since, first - timedelta(hours=1)) if since and first else None
    expected = int((newest - begun).total_seconds() // 3600) if newest and begun else 0
    is_silent = newest is None or last is None or newest - last >= SILENT_AFTER
    return Document(
        {
            **{name: _plain(value) for name, value in station.items()},
            "first_observed_at": _iso(first),
            "last_observed_at": _iso(last),
            "sensors": sensors,
            "completeness": {
                "days": WINDOW_DAYS,
                "hours_expected": expected,  # since its first hour, when that is less than 30 days ago
                "hours_present": hours,
                "share": round(hours / expected, 4) if expected else None,
            },
            "is_silent": is_silent,
            "silent_since": _iso(last) if is_silent else None,
        }
    )


def newest_hour(snapshot: OpenSnapshot) -> datetime | None:
    """The newest observation of the snapshot: ages are measured from it, so that an answer stays true."""
    text = snapshot.manifest.newest_observation
    return datetime.fromisoformat(text) if text else None


def _reported(
    executor: Executor, snapshot: OpenSnapshot, hourly: Relation, station_id: str, since: datetime | None
) -> tuple[int, list[dict[str, Any]]]:
    measured = [column.name for column in hourly.columns if column.name not in _NOT_MEASURED]
    counts = ", ".join(
        f"count({quoted(name)}) as {quoted(name)}, max(observed_at) filter ({quoted(name)} is not null)"
        f" as {quoted('last ' + name)}"
        for name in measured
    )
    (row,) = executor.fetch_dicts(
        snapshot,
        f"select count(*) as hours, {counts} from {hourly.sql} where station_id = ? and observed_at > ?",
        [station_id, since or datetime.min.replace(tzinfo=UTC)],
    )
    sensors = [
        {
            "field": name,
            "hours": row[name],
            "share": round(row[name] / row["hours"], 4),
            "last": _iso(row[f"last {name}"]),
        }
        for name in measured
        if row[name]
    ]
    return row["hours"], sensors


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def _iso(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None

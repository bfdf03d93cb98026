"""The view of one station: what it reports now, its curves, its days, its sensors and its gaps."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Request, Response

from api.address import at
from api.page.answer import Context, View, answer
from api.page.climate_year import gather_year
from api.page.reader import Reader
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import BadValue
from api.warehouse.question.station_profile import newest_hour, read_profile

router = APIRouter(include_in_schema=False)

# What the address says, and how far back that is from the snapshot's newest hour.
RANGES: Mapping[str, timedelta | None] = {
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "all": None,
}
_DAYS_AT_LEAST = timedelta(days=7)
_MOST_DAYS = 400
_MOST_GAPS = 50
_MOST_POINTS = 100_000

# What the curves are drawn from, and what is downloaded.
FIELDS = (
    "temperature_c", "temperature_min_c", "temperature_max_c", "dew_point_c", "humidity_pct", "precipitation_mm",
    "wind_speed_kmh", "wind_direction_deg", "gust_ms", "sea_level_pressure_hpa", "pressure_hpa", "snow_depth_cm",
)  # fmt: skip

_GAPS = """
with hours as (
    select observed_at, lag(observed_at) over (order by observed_at) as before
    from marts.hourly_observations where station_id = ?
)
select before + interval 1 hour as since, observed_at - interval 1 hour as until,
    date_diff('hour', before, observed_at) - 1 as hours
from hours where observed_at > before + interval 1 hour and observed_at >= ?
order by since desc limit ?
"""
# What became of the missing hours: the archive has some, and of others nothing that was asked has them.
_FILLED = """
with gaps as (select unnest(?::timestamptz[]) as since, unnest(?::timestamptz[]) as until),
archived as (select observed_at from marts.hourly_history where station_id = ? and observed_at >= ?),
gone as (
    select distinct hour from meta.repaired_hours
    where answer = 'gone' and coalesce(station_id = ?, departments = 'all' or list_contains(departments.split(','), ?))
        and hour not in (select observed_at from archived)
)
select
    (select count(*) from archived where observed_at between gaps.since and gaps.until) as in_archive,
    (select count(*) from gone where hour between gaps.since and gaps.until) as nowhere
from gaps order by gaps.since desc
"""
_DAYS = """
select observed_date, temperature_min_c, temperature_max_c, temperature_mean_c, precipitation_mm, wind_mean_ms * 3.6
    as wind_kmh, gust_max_ms * 3.6 as gust_kmh, sea_level_pressure_mean_hpa, snow_depth_max_cm, present_hours, is_final
from marts.daily_observations where station_id = ? and observed_date >= ? order by observed_date desc limit ?
"""


@router.api_route("/page/station/{station_id}", methods=["GET", "HEAD"])
async def show_station(request: Request, station_id: Annotated[str, Path(max_length=20)]) -> Response:
    """Show a station: `?range=24h`, `7d`, `30d` or `all`, `&quantity=temperature_max_c&year=2025`."""

    def gather(snapshot: OpenSnapshot, executor: Executor, reader: Reader) -> Context:
        chosen = request.query_params.get("range") or "7d"
        if chosen not in RANGES:
            raise BadValue("range", f"“{chosen[:20]}” is no range", f"choose {', '.join(RANGES)}")
        year = (request.query_params.get("quantity"), request.query_params.get("year"))
        return {
            **gather_station(snapshot, executor, reader, station_id, chosen),
            "climate": gather_year(snapshot, executor, station_id, *year),
        }

    return await answer(request, View("station.html", gather))


def gather_station(snapshot: OpenSnapshot, executor: Executor, reader: Reader, station_id: str, chosen: str) -> Context:
    """Gather one station's profile, newest hour, days and gaps, and where its hours are."""
    station = read_profile(snapshot, executor, station_id).data
    newest = newest_hour(snapshot)
    first = datetime.fromisoformat(station["first_observed_at"]) if station["first_observed_at"] else newest
    span = RANGES[chosen]
    start = max(newest - span, first) if newest and first and span else first
    latest = executor.fetch_dicts(
        snapshot, "select * from marts.latest_observations where station_id = ?", [station_id]
    )
    return {
        "station": station,
        "latest": latest[0] if latest else None,
        "ranges": list(RANGES),
        "chosen": chosen,
        "hours": _hours_address(station_id, start, reader) if start else None,
        "days": _read_days(snapshot, executor, station_id, start, newest),
        "gaps": read_gaps(snapshot, executor, station_id, station["department_code"], start) if start else [],
        "charts": _charts(station["sensors"]),
    }


def read_gaps(
    snapshot: OpenSnapshot, executor: Executor, station_id: str, department: str, start: datetime
) -> list[dict[str, Any]]:
    """Read a station's newest gaps, and how many hours of each the archive has, or nothing that was asked."""
    gaps = executor.fetch_dicts(snapshot, _GAPS, [station_id, start, _MOST_GAPS])
    asked = snapshot.relations.get("meta.repaired_hours")
    # Published by an older version, a snapshot does not say who was asked.
    if not gaps or asked is None or all(column.name != "station_id" for column in asked.columns):
        return gaps
    times = [[gap[name] for gap in gaps] for name in ("since", "until")]
    params = [*times, station_id, min(times[0]), station_id, department]
    filled = executor.fetch_dicts(snapshot, _FILLED, params, station=station_id)
    return [gap | found for gap, found in zip(gaps, filled, strict=True)]


def _hours_address(station_id: str, start: datetime, reader: Reader) -> str:
    """The API's own address of the hours shown; a format is added to it."""
    query = {
        "station": station_id,
        "start": start.isoformat(),
        "fields": ",".join(FIELDS),
        "tz": reader.zone,
        "limit": _MOST_POINTS,
    }
    return at(f"/warehouse/observations?{urlencode(query)}")


def _read_days(
    snapshot: OpenSnapshot, executor: Executor, station_id: str, start: datetime | None, newest: datetime | None
) -> list[dict[str, Any]]:
    if start is None or newest is None:
        return []
    since = min(start, newest - _DAYS_AT_LEAST).date()
    return executor.fetch_dicts(snapshot, _DAYS, [station_id, since, _MOST_DAYS])


def _charts(sensors: list[dict[str, Any]]) -> list[str]:
    """The curves that this station has sensors for."""
    reported = {sensor["sensor"] for sensor in sensors}
    wanted = {
        "temperature": {"temperature", "dew_point"},
        "rain": {"precipitation"},
        "wind": {"wind", "gust"},
        "pressure": {"pressure", "sea_level_pressure"},
        "snow": {"snow_depth"},
    }
    return [chart for chart, needed in wanted.items() if needed & reported]

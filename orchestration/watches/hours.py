"""The hours of a snapshot that watches look at: one query for all the watches of a column."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import duckdb
import pyarrow as pa

from orchestration.watches.condition import COLUMNS, SILENT
from orchestration.watches.judge import Point
from orchestration.watches.watches import Watch

# A station's last value counts for so long while its next one is missing: others of the watch may be ahead of it.
_CARRIED_HOURS = 3
# Late and corrected rows come within a day, upstream's reach. More where no run judged for longer, up to a month.
_BACK, LONGEST = timedelta(hours=48), timedelta(days=31)


@dataclass(frozen=True)
class Place:
    """A station of a snapshot."""

    name: str
    department: str
    last_observed_at: datetime | None
    is_listed: bool


class _Pair(NamedTuple):
    """A station of a watch. `sign` makes the worst value the least; `level` is the least's limit, None for no limit."""

    watch_id: str
    station: str
    sign: int
    level: float | None


def read_places(connection: duckdb.DuckDBPyConnection) -> dict[str, Place]:
    rows = connection.execute(
        "select station_id, coalesce(station_name, station_id), department_code, epoch_ms(last_observed_at), is_listed"
        " from marts.stations"
    ).fetchall()
    return {
        station: Place(name, department, datetime.fromtimestamp(last / 1000, UTC) if last else None, listed)
        for station, name, department, last, listed in rows
    }


def stations_of(watch: Watch, by_department: Mapping[str, Sequence[str]]) -> Sequence[str]:
    return watch.stations or by_department.get(watch.department or "", ())


def by_department(places: Mapping[str, Place]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for station, place in places.items():
        found[place.department].append(station)
    return found


def read_points(
    connection: duckdb.DuckDBPyConnection,
    watches: Sequence[Watch],
    places: Mapping[str, Place],
    newest: datetime,
    now: datetime,
    on: Collection[str] = (),
) -> dict[str, list[Point]]:
    """Give each watch its hours, oldest first. A watch of several stations has the value that is worst for it.

    None where no hour meets the condition and the watch is not `on`: nothing can begin or end.
    """
    of_department = by_department(places)
    pairs: dict[str, list[_Pair]] = defaultdict(list)
    found: dict[str, list[Point]] = {}
    for watch in watches:
        stations = stations_of(watch, of_department)
        if watch.condition.column == SILENT:
            found[watch.id] = _silence(stations, places, now)
        else:
            sign = 1 if watch.condition.is_below else -1
            level = None if watch.id in on else sign * watch.condition.threshold
            pairs[watch.condition.column] += [_Pair(watch.id, station, sign, level) for station in stations]
    judged = min((watch.judged_until for watch in watches if watch.judged_until), default=newest)
    since = max(min(newest, judged) - _BACK, newest - LONGEST)
    if pairs:
        _read_recent(connection, sorted(pairs), since, newest)
    for column, wanted in pairs.items():
        found |= _measured(connection, column, wanted, newest)
    return found


def _read_recent(
    connection: duckdb.DuckDBPyConnection, columns: Sequence[str], since: datetime, newest: datetime
) -> None:
    """Read the mart once, whatever the number of columns: its rows lie by station, so each read scans all hours."""
    assert set(columns) <= COLUMNS  # noqa: S101 - only these get into SQL
    connection.execute(
        f"create temp table recent as select station_id, (epoch(observed_at) // 3600)::bigint as hour,"
        f" {', '.join(columns)} from marts.hourly_observations where observed_at > ? and observed_at <= ?",
        [since, newest],
    )


def _silence(stations: Sequence[str], places: Mapping[str, Place], now: datetime) -> list[Point]:
    """Give one point: the longest silence of the stations that are listed and were ever heard of."""
    ages = [
        ((now - place.last_observed_at).total_seconds() / 3600, station)
        for station in stations
        if (place := places.get(station)) is not None and place.last_observed_at is not None and place.is_listed
    ]
    if not ages:
        return []
    age, station = max(ages)
    return [Point(int(now.timestamp() // 3600), round(age, 1), station)]


def _measured(
    connection: duckdb.DuckDBPyConnection,
    column: str,
    wanted: Sequence[_Pair],
    newest: datetime,
) -> dict[str, list[Point]]:
    if not wanted:
        return {}
    watch_ids = sorted({pair.watch_id for pair in wanted})
    numbers = {watch_id: number for number, watch_id in enumerate(watch_ids)}
    table = pa.table(
        {
            "watch": pa.array([numbers[pair.watch_id] for pair in wanted], pa.int32()),
            "station_id": pa.array([pair.station for pair in wanted], pa.string()),
            "sign": pa.array([pair.sign for pair in wanted], pa.int8()),
            "level": pa.array([pair.level for pair in wanted], pa.float64()),
        }
    )
    connection.register("wanted", table)
    rows = connection.execute(
        f"""
        with own as (
            select station_id, hour, {column}::double as value
            from recent
            where {column} is not null and station_id in (select station_id from wanted)
        ),
        followed as (
            select *, lead(hour) over (partition by station_id order by hour) as next_hour from own
        ),
        counted as (
            select station_id, value, hour as measured_hour,
                unnest(range(hour, least(coalesce(next_hour, $last + 1), hour + {_CARRIED_HOURS} + 1, $last + 1)))
                    as hour
            from followed
        )
        select watch, counted.hour, arg_min(value, (sign * value, counted.hour - measured_hour)) as value,
            arg_min(counted.station_id, (sign * value, counted.hour - measured_hour)) as station_id,
            min((sign * value, counted.hour - measured_hour))[2] = 0 as is_measured
        from counted inner join wanted using (station_id)
        group by watch, counted.hour
        qualify max(max(level)) over (partition by watch) is null
            or min(min(sign * value)) over (partition by watch) <= max(max(level)) over (partition by watch)
        order by watch, counted.hour
        """,
        {"last": int(newest.timestamp() // 3600)},
    ).fetchall()
    connection.unregister("wanted")
    found: dict[str, list[Point]] = defaultdict(list)
    for watch, hour, value, station, is_measured in rows:
        found[watch_ids[watch]].append(Point(hour, value, station, is_measured))
    return found

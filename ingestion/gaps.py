"""Hours that no run asked for in time, because the service was off: which they are, and what came of asking later.

`meta.repaired_hours` keeps one row per hour asked for again, so each repaired hour says by which load it came, and what
upstream no longer has is not asked for at each run. Météo-France's archive has such hours from their second day on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal

import duckdb

from ingestion.departments import Department, all_departments
from ingestion.load_log import DETAILS_KEPT
from ingestion.source import Repair

# Real time was never seen to answer for hours older than five days.
FURTHEST = timedelta(days=10)
# Most stations of an hour have come this long after it.
_MOSTLY_THERE = timedelta(hours=24)
_HOUR = timedelta(hours=1)

Answer = Literal["repaired", "gone", "failed"]  # by `source`; upstream has it no longer; to be asked again
REAL_TIME = "realtime"


@dataclass(frozen=True)
class AskedHour:
    """An hour that was asked for again, and the answer."""

    hour: datetime
    answer: Answer
    load_id: int | None = None
    rows: int = 0
    error: str | None = None
    source: str | None = None  # what repaired it: REAL_TIME, or the origin of rebuilt hours
    station_id: str | None = None  # None: every station


def find_gaps(
    connection: duckdb.DuckDBPyConnection, repair: Repair, departments: Sequence[Department], now: datetime
) -> list[datetime]:
    """Find the hours that are missing and may still be had, newest first. `now` is when the run began."""
    is_france = len(departments) == len(all_departments())
    find = _not_asked_in_time if is_france else _not_in_packets
    missing = find(connection, repair, departments, now)
    answered = connection.execute(
        "select hour from meta.repaired_hours"
        " where answer <> 'failed' and departments = ? and hour >= ? and station_id is null",
        [_scope(departments), now - FURTHEST],
    ).fetchall()
    return sorted(missing - {hour.astimezone(UTC) for (hour,) in answered}, reverse=True)


def note_answers(
    connection: duckdb.DuckDBPyConnection, departments: Sequence[Department], asked: Sequence[AskedHour]
) -> None:
    """Write down what came of asking; an hour's later answer takes the place of an earlier one."""
    scope, now = _scope(departments), datetime.now(UTC)
    connection.begin()
    # Nothing depends on old answers about single stations: their rebuilt rows say themselves what they came from.
    connection.execute(
        "delete from meta.repaired_hours where station_id is not null and hour < ?", [now - DETAILS_KEPT]
    )
    for hour in asked:
        connection.execute(
            "delete from meta.repaired_hours where hour = ? and departments = ? and station_id is not distinct from ?",
            [hour.hour, scope, hour.station_id],
        )
        connection.execute(
            "insert into meta.repaired_hours values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [hour.hour, scope, hour.answer, now, hour.load_id, hour.rows, hour.error, hour.source, hour.station_id],
        )
    connection.commit()


def _not_asked_in_time(
    connection: duckdb.DuckDBPyConnection, repair: Repair, departments: Sequence[Department], now: datetime
) -> set[datetime]:
    """Hours of all France older than those that each run asks for, which no run asked for after most of them came."""
    dataset = repair.request(now, departments).dataset
    found = connection.execute(
        "select strptime(scope, '%Y%m%dT%HZ') at time zone 'UTC', max(fetched_at) from meta.loads"
        " where dataset = ? and status in ('loaded', 'unchanged') and scope <> 'file' and fetched_at < ? group by all",
        [dataset, now],
    ).fetchall()
    asked = {hour.astimezone(UTC): at for hour, at in found}
    if not asked:
        return set()
    first = max(min(asked), _ceil(now - FURTHEST))
    hours = _hours(first, floor_hour(now) - timedelta(hours=repair.hours_planned - 1))
    return {hour for hour in hours if hour not in asked or asked[hour] < hour + _MOSTLY_THERE}


def _not_in_packets(
    connection: duckdb.DuckDBPyConnection, repair: Repair, departments: Sequence[Department], now: datetime
) -> set[datetime]:
    """Hours between two packets of a département further apart than a packet reaches, of which raw has nothing."""
    missing: set[datetime] = set()
    for department in departments:
        fetched = connection.execute(
            "select fetched_at from meta.loads where dataset = $dataset and scope = $code"
            " and status in ('loaded', 'unchanged') and fetched_at < $now and fetched_at >= coalesce("
            "  (select max(fetched_at) from meta.loads where dataset = $dataset and scope = $code"
            "   and fetched_at < $since), $since)",
            {"dataset": repair.packets, "code": department.code, "now": now, "since": now - FURTHEST},
        ).fetchall()
        times = [*sorted(at.astimezone(UTC) for (at,) in fetched), now]
        reach = timedelta(hours=repair.packet_hours)
        suspect = {
            hour
            for before, after in pairwise(times)
            if after - before > reach
            for hour in _hours(max(_ceil(before), _ceil(now - FURTHEST)), _ceil(after - reach))
        }
        if suspect:
            there = connection.execute(
                f"select distinct observed_at from {repair.table} where observed_at >= ?"
                f" and starts_with({repair.station_id}, ?)",
                [min(suspect), department.station_prefix],
            ).fetchall()
            missing |= suspect - {hour.astimezone(UTC) for (hour,) in there}
    return missing


def _scope(departments: Sequence[Department]) -> str:
    if len(departments) == len(all_departments()):
        return "all"
    return ",".join(sorted(department.code for department in departments))


def _hours(first: datetime, end: datetime) -> list[datetime]:
    """The round hours from `first` until before `end`."""
    return [first + n * _HOUR for n in range(max(0, int((end - first) / _HOUR)))]


def floor_hour(time: datetime) -> datetime:
    """Give the round hour in UTC at or before a time."""
    return time.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _ceil(time: datetime) -> datetime:
    floor = floor_hour(time)
    return floor if floor == time else floor + _HOUR

"""Hours that a station misses although real time was asked for them, and who may be asked for them next.

A row is late for up to three hours (99 of 100). Then the hour counts as missing. The finer packets of a day are asked
for it, few at a time, and each only once for the same hour.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb

from ingestion.departments import Department
from ingestion.errors import IngestionError, RequestRefused, WrongPath
from ingestion.gaps import FURTHEST, Answer, AskedHour, floor_hour
from ingestion.load_log import LoadResult
from ingestion.source import FineRepair, PacketRequest, Repair

LATE = timedelta(hours=3)
# A station that stopped has a new missing hour each hour.
_ASKED_AGAIN = timedelta(hours=6)
REQUESTS_OF_A_RUN = 20  # of a quota of 50 a minute

StationHour = tuple[str, datetime]


@dataclass(frozen=True)
class FineRequest:
    """One packet of finer time, and the missing hours that it is asked for."""

    packet: PacketRequest
    wanted: tuple[StationHour, ...]


def find_station_gaps(
    connection: duckdb.DuckDBPyConnection,
    repair: Repair,
    finer: FineRepair,
    departments: Sequence[Department],
    now: datetime,
) -> set[StationHour]:
    """Find the hours that stations miss of those that the finer packets reach, and that they were not asked for yet.

    A station counts when real time had a row of it in the last day. One that was silent for longer sends nothing.
    """
    since = now - finer.reach
    rows = connection.execute(
        f"""
        with hours as (
            select unnest(generate_series($first::timestamptz, $last::timestamptz, interval 1 hour)) as hour
        ),
        reporting as (
            select {repair.station_id} as station, min(observed_at) as first_hour from {repair.table}
            where observed_at > $far and regexp_matches({repair.station_id}, $prefixes)
            group by station having max(observed_at) > $since
        ),
        asked as (
            select scope, max(fetched_at) as at from meta.loads
            where dataset = $dataset and status in ('loaded', 'unchanged') and fetched_at > $since group by scope
        )
        select reporting.station, hours.hour
        from reporting
        cross join hours
        left join asked as by_station on by_station.scope = reporting.station
        left join asked as by_hour on by_hour.scope = strftime(hours.hour, '%Y%m%dT%HZ')
        where
            hours.hour > reporting.first_hour
            -- A new warehouse has no gap: what was before its first fetch is history.
            and hours.hour > (select min(fetched_at) from meta.loads)
            and by_hour.at is null
            and (by_station.at is null or by_station.at < least(hours.hour + $late, $now - $again))
            and not exists (
                select 1 from {repair.table} as told
                where told.{repair.station_id} = reporting.station and told.observed_at = hours.hour
                    and told.observed_at > $since
            )
            and not exists (
                select 1 from {finer.table} as told
                where told.{repair.station_id} = reporting.station and told.observed_at = hours.hour
                    and told.observed_at > $since
            )
        """,
        {
            # The first of a packet's hours is cut.
            "first": floor_hour(since) + timedelta(hours=2),
            "last": floor_hour(now - LATE),
            "since": since,
            "far": now - FURTHEST,
            "prefixes": f"^({'|'.join(department.station_prefix for department in departments)})",
            "dataset": finer.dataset,
            "late": LATE,
            "again": _ASKED_AGAIN,
            "now": now,
        },
    ).fetchall()
    return {(station, hour.astimezone(UTC)) for station, hour in rows}


def plan_fine_requests(
    missing: set[StationHour], finer: FineRepair, departments: Sequence[Department], most: int = REQUESTS_OF_A_RUN
) -> list[FineRequest]:
    """Choose the requests that answer for the most missing hours, each of a station or of an hour of every station."""
    left, cost = set(missing), 0
    chosen: list[FineRequest] = []
    while left:
        # Of equals the first: the oldest hour is the first that will be had no more.
        stations, hour = max((count, -hour.timestamp(), hour) for hour, count in Counter(h for _, h in left).items())[
            ::2
        ]
        hours, station = max((count, station) for station, count in Counter(s for s, _ in left).items())
        if stations > hours * finer.requests_of_hour and cost + finer.requests_of_hour <= most:
            wanted = {pair for pair in left if pair[1] == hour}
            packet, cost = finer.of_hour(hour, departments, sorted(s for s, _ in wanted)), cost + finer.requests_of_hour
        elif cost < most:
            wanted = {pair for pair in left if pair[0] == station}
            packet, cost = finer.of_station(station, sorted(hour for _, hour in wanted)), cost + 1
        else:
            break
        chosen.append(FineRequest(packet, tuple(sorted(wanted))))
        left -= wanted
    return chosen


def answers_of(
    connection: duckdb.DuckDBPyConnection,
    repair: Repair,
    finer: FineRepair,
    request: FineRequest,
    outcome: LoadResult | IngestionError,
) -> list[AskedHour]:
    """Say what came of a request: of each hour of its station, or of its hour as a whole."""
    asked = request.wanted if request.packet.hour is None else ((None, request.packet.hour),)
    if isinstance(outcome, IngestionError):
        answer: Answer = "gone" if isinstance(outcome, WrongPath | RequestRefused) else "failed"
        return [AskedHour(hour, answer, error=str(outcome), station_id=station) for station, hour in asked]
    rows = connection.execute(
        f"select {repair.station_id}, observed_at from {finer.table} where load_id = ?", [outcome.load_id]
    ).fetchall()
    came = Counter[tuple[str | None, datetime]]((station, hour.astimezone(UTC)) for station, hour in rows)
    came.update((None, hour.astimezone(UTC)) for _, hour in rows)
    return [
        AskedHour(hour, "repaired", outcome.load_id, came[station, hour], source=finer.origin, station_id=station)
        if (station, hour) in came
        else AskedHour(hour, "gone", outcome.load_id, station_id=station)
        for station, hour in asked
    ]

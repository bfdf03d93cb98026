"""Fetch, land, load: what one run does for each request it makes of upstream."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ingestion.departments import Department, all_departments
from ingestion.landing import Dataset, describe_payload, land_payload
from ingestion.load import load_payload, record_unchanged
from ingestion.load_log import LoadResult, last_load
from ingestion.meteofrance.client import Payload
from ingestion.paths import DataPaths
from ingestion.raw_store import open_build_file
from ingestion.settings import IngestionSettings
from ingestion.source import open_client

# Rows were seen to arrive up to 35 hours late.
HOURS_READ_AGAIN = 36

# The writer's lock keeps other processes out; this keeps the threads of one process apart.
_loading = threading.Lock()


@dataclass(frozen=True)
class PacketRequest:
    """One request of upstream: a département's recent hours, one hour of all France, or the station list."""

    dataset: Dataset
    scope: str
    label: str
    hour: datetime | None = None

    def __str__(self) -> str:
        return self.label


STATION_LIST = PacketRequest("liste-stations", "all", "station list")


def plan_requests(departments: Sequence[Department], now: datetime) -> list[PacketRequest]:
    """Choose the requests that bring the départements' recent hours.

    All of France is asked hour by hour: 36 requests a run instead of one for each département, which
    would take more than two minutes under the quota of 50 a minute.
    """
    if len(departments) < len(all_departments()):
        return [PacketRequest("paquet-horaire", d.code, f"{d.name} ({d.code})") for d in departments]
    newest = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    hours = [newest - timedelta(hours=back) for back in reversed(range(HOURS_READ_AGAIN))]
    return [
        PacketRequest("paquet-stations-horaire", f"{hour:%Y%m%dT%HZ}", f"France {hour:%Y-%m-%d %H} UTC", hour)
        for hour in hours
    ]


def ingest_packet(settings: IngestionSettings, request: PacketRequest, run_id: str | None = None) -> LoadResult:
    """Fetch one packet, land it, load it. The caller holds the writer's lock.

    Raises IngestionError; what was fetched is then landed, and raw is as it was.
    """
    payload = asyncio.run(_fetch(settings, request))
    paths = DataPaths(settings.data_dir)
    folder = paths.landing / settings.source
    with _loading, open_build_file(paths, settings.source) as connection:
        # Named in here, so that payloads are loaded in the order of their names, as a rebuild would.
        landed = describe_payload(
            folder, payload.body, request.dataset, request.scope, payload.fetched_at, payload.format
        )
        last = last_load(connection, request.dataset, request.scope)
        if last is not None and last.digest == landed.digest and (folder / last.payload).exists():
            same = replace(landed, path=folder / last.payload)
            return record_unchanged(connection, same, last, source=settings.source, run_id=run_id)
        land_payload(landed, payload.body)
        return load_payload(connection, landed, source=settings.source, run_id=run_id)


async def _fetch(settings: IngestionSettings, request: PacketRequest) -> Payload:
    async with open_client(settings) as client:
        if request.dataset == "liste-stations":
            return await client.fetch_stations()
        if request.hour is not None:
            return await client.fetch_hour(request.hour)
        return await client.fetch_department(request.scope)

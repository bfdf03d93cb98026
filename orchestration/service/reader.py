"""A reader: serves what others publish, from its own data folder. It needs no token and no Prefect server."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
from prefect.client.orchestration import PrefectClient

from ingestion.archive.ledger import Ledger
from ingestion.departments import Department
from ingestion.paths import DataPaths
from orchestration.errors import NoPrefect
from orchestration.runs.archive_runs import Backfills, Refreshes
from orchestration.runs.runs import Runs
from orchestration.service.service import Service
from orchestration.service.watched_server import WATCH_SECONDS
from orchestration.settings import OrchestrationSettings


class NoRuns(Runs):
    """The runs of a reader that has no address of a Prefect server: every question is a NoPrefect."""

    @asynccontextmanager
    async def _prefect(self) -> AsyncIterator[PrefectClient]:
        raise NoPrefect
        yield


class NoBackfills(NoRuns, Backfills):
    """The same of back-fills."""


class NoRefreshes(NoRuns, Refreshes):
    """The same of refreshes."""


class Reader(Service):
    """Follows the shelf. Asked for a run, it passes the wish on to Prefect, where it knows its address."""

    def __init__(self, departments: Sequence[Department], settings: OrchestrationSettings, paths: DataPaths) -> None:
        super().__init__(departments, settings, paths)
        self._has_prefect = "prefect_api_url" in settings.model_fields_set
        if not self._has_prefect:
            nowhere = settings.prefect_api_url, paths, lambda: None
            self.runs, self.backfills, self.refreshes = NoRuns(*nowhere), NoBackfills(*nowhere), NoRefreshes(*nowhere)

    def read_ledger(self) -> Ledger:
        """Read it from the shelf: a reader loads no files and keeps no ledger."""
        return self.following.read_ledger() if self.following is not None else super().read_ledger()

    async def run(self) -> None:
        """Follow until cancelled. Of several processes on one data folder, one lays the snapshots."""
        self.health.note("role", "reader")
        for part in ("worker", "schedule"):
            self.health.note(part, "elsewhere")
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self._watch_prefect())
            self.health.note("shelf", "elsewhere")
            while not await asyncio.to_thread(self.leadership.try_acquire):
                await asyncio.sleep(1)
            parts.create_task(self._tidy())
            if self.following is not None:
                parts.create_task(self.following.run())

    async def _watch_prefect(self) -> None:
        """Reads do not need Prefect, so a reader without it is ready all the same."""
        if not self._has_prefect:
            self.health.note("prefect", "elsewhere", str(NoPrefect()))
            return
        async with httpx.AsyncClient(timeout=WATCH_SECONDS) as client:
            while True:
                is_up = await self._server.is_well(client)
                reason = f"the Prefect server at {self.settings.prefect_api_url} does not answer; reads go on"
                self.health.note("prefect", "ready" if is_up else "away", "" if is_up else reason)
                await asyncio.sleep(WATCH_SECONDS)

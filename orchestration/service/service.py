"""The service: one leader per data directory runs a Prefect server, the deployment and a warm worker."""

import asyncio
import logging
from collections.abc import Callable, Sequence

import httpx
from prefect.client.orchestration import get_client

from ingestion.archive.ledger import Ledger, read_ledger
from ingestion.departments import Department, label_of
from ingestion.errors import IngestionError, StorageFailed
from ingestion.paths import DataPaths
from ingestion.storage import storage_faults
from orchestration.errors import NoDepartments, OrchestrationError
from orchestration.progress import Record, read_records
from orchestration.runs.archive import register_archive
from orchestration.runs.archive_runs import Backfills, Refreshes
from orchestration.runs.deployment import Schedule, register_deployment
from orchestration.runs.prefect_client import async_settings, not_ready
from orchestration.runs.recovery import skip_missed
from orchestration.runs.runs import Runs
from orchestration.runs.takeover import register_takeover
from orchestration.service.attention import Attention
from orchestration.service.following import Following
from orchestration.service.health import Health
from orchestration.service.leader import Leadership
from orchestration.service.own_runs import OwnRuns
from orchestration.service.tidy import TIDY_SECONDS, tidy
from orchestration.service.watched_server import WATCH_SECONDS, WatchedServer
from orchestration.service.workers import Workers
from orchestration.settings import OrchestrationSettings
from orchestration.shelf.opening import open_shelf
from orchestration.snapshots.snapshots import newest_snapshot

log = logging.getLogger("girouette.serving")


class Service:
    """Runs the schedule while it leads. While another process leads, it waits to take over."""

    def __init__(self, departments: Sequence[Department], settings: OrchestrationSettings, paths: DataPaths) -> None:
        self.departments, self.settings, self.paths = tuple(departments), settings, paths
        self.scheduled = self.departments  # PATCH /schedule can change them
        self.health = Health()
        self.leadership = Leadership(paths)
        self.has_readers: Callable[[], bool] = lambda: False
        self._said: set[str] = set()
        self._server = WatchedServer(settings, paths, self.health, self._say_once)
        self._workers = Workers(paths, self.health, lambda: self._server.share_cores(has_readers=self.has_readers()))
        wake = self._workers.wake
        self.runs = Runs(settings.prefect_api_url, paths, wake)
        self.backfills = Backfills(settings.prefect_api_url, paths, wake)
        self.refreshes = Refreshes(settings.prefect_api_url, paths, wake)
        shelf = open_shelf(settings, paths)
        note, limit = self.health.note, settings.behind_seconds
        self.following = Following(shelf, paths, limit, note) if shelf is not None else None
        self._own_runs = OwnRuns(paths, self._workers, is_alone=shelf is None)

    async def run(self) -> None:
        """Run until cancelled. Then call `stop` to end what was started."""
        async with httpx.AsyncClient(timeout=WATCH_SECONDS) as client:
            while not await self._try_to_lead(client):
                await asyncio.sleep(1)
        self.health.note("role", "leader")
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self._workers.preload())
            parts.create_task(self._workers.watch_wake_file())
            parts.create_task(self._tidy())
            if self.following is not None:
                await asyncio.to_thread(self.following.step)  # a host that joins has nothing to fetch first
                parts.create_task(self.following.run())
            parts.create_task(self._keep_serving())
            parts.create_task(self._attend())

    async def _try_to_lead(self, client: httpx.AsyncClient) -> bool:
        """Become the leader, or follow. If the directory is not writable, no process leads and reads go on."""
        try:
            with storage_faults(self.paths):
                if await asyncio.to_thread(self.leadership.try_acquire):
                    return True
        except StorageFailed as error:
            if self.health.reasons.get("worker") != str(error):
                log.error("%s", error)  # noqa: TRY400 - the message says it all
            for part in ("prefect", "worker", "schedule"):
                self.health.note(part, "failed", str(error))
            return False
        self.health.note("role", "follower")
        is_up = await self._server.is_well(client)
        self.health.note("prefect", "ready" if is_up else "starting", "" if is_up else "the leader starts it")
        self.health.note("worker", "elsewhere")
        self.health.note("schedule", "elsewhere")
        return False

    async def stop(self) -> None:
        """Stop taking runs, give a running one its time, and leave no process behind."""
        self.health.note("role", "stopping")
        await self._workers.stop(self.settings.shutdown_seconds)
        for runs in (self.runs, self.backfills, self.refreshes):
            await runs.close()
        await self._server.stop()
        self.leadership.release()

    async def _keep_serving(self) -> None:
        while True:
            try:
                with storage_faults(self.paths):
                    await self._server.start()
                    await self._start_work()
                    await self._server.watch(self._check_schedule)
            except (OrchestrationError, IngestionError, httpx.HTTPError, OSError) as error:
                url = self.settings.prefect_api_url
                reason = str(not_ready(url, error) if isinstance(error, httpx.HTTPError) else error)
                self.health.note("prefect", "failed", reason)
                self._say_once(reason, logging.ERROR)
                await asyncio.sleep(WATCH_SECONDS)
            except Exception as error:
                self.health.note("prefect", "failed", f"{type(error).__name__}; see the service's log")
                log.exception("the service met an unexpected error and tries again")
                await asyncio.sleep(WATCH_SECONDS)

    def _say_once(self, text: str, level: int = logging.INFO) -> None:
        """Log a line unless it was logged since the service last ran well: it is tried again every few seconds."""
        if text not in self._said:
            self._said.add(text)
            log.log(level, "%s", text)

    async def _start_work(self) -> None:
        async with get_client(httpx_settings=async_settings()) as client:
            data_dir = self.paths.root if self.following is None else None
            schedule = await register_deployment(client, self.settings.schedule_cron, self.departments, data_dir)
            await self._own_runs.end_orphans(client, schedule.deployment_id)
            if self.following is not None:
                deployments = (schedule.deployment_id, *await register_archive(client))
                await register_takeover(client, deployments, wanted=self.settings.takeover)
            if missed := await skip_missed(client, schedule.deployment_id):
                log.warning("%d scheduled runs were missed; only the newest is made up for", missed)
            await self._own_runs.hand_over_orphans(client)
        self.note_schedule(schedule)
        self._said.clear()
        log.info(
            "serving weather-hourly-deployment: %s, cron `%s` (UTC)", label_of(schedule.departments), schedule.cron
        )
        self._workers.start(self._own_runs.identity.name, self._own_runs.archive_worker)
        is_first = newest_snapshot(self.paths) is None or (self.following is not None and self.following.is_empty)
        if is_first and schedule.departments:
            await self._first_refresh(schedule)

    def read_records(self, run_id: str, skip: int = 0) -> list[Record]:
        """Read a run's progress, also when another host runs it."""
        if self.following is not None:
            self.following.records.fetch(run_id)
        return read_records(self.paths, run_id, skip)

    def read_ledger(self) -> Ledger:
        """Read the archive's ledger."""
        return read_ledger(self.paths)

    def note_schedule(self, schedule: Schedule) -> None:
        """Show in the health whether the schedule is paused, or names no known département."""
        self.scheduled = tuple(schedule.departments)
        if not self.leadership.is_held:
            return
        if schedule.is_active and not schedule.departments:
            self.health.note("schedule", "failed", str(NoDepartments()))
            self._say_once(str(NoDepartments()), logging.ERROR)
        else:
            self.health.note("schedule", "active" if schedule.is_active else "paused")

    async def _check_schedule(self) -> None:
        """Check that Prefect plans runs while the schedule is active."""
        schedule = await self.runs.schedule()
        self.note_schedule(schedule)
        if self._own_runs.may_wait:
            async with get_client(httpx_settings=async_settings()) as client:
                await self._own_runs.end_orphans(client, schedule.deployment_id)
                await self._own_runs.hand_over_orphans(client)
        if not schedule.is_active:
            return
        if not schedule.is_planned:
            reason = f"Prefect plans no run though the schedule is active: see {self.paths.logs / 'prefect-server.log'}"
            self.health.note("schedule", "failed", reason)
            log.error("%s", reason)

    async def _first_refresh(self, schedule: Schedule) -> None:
        ticket = await self.runs.trigger(schedule.departments)
        log.info("first refresh: run %s", ticket.run.id)

    async def _tidy(self) -> None:
        while True:
            await asyncio.to_thread(tidy, self.paths)
            await asyncio.sleep(TIDY_SECONDS)

    async def _attend(self) -> None:
        unwell = lambda: {part: why for part, why in self.health.reasons.items() if self.health.has_failed(part)}  # noqa: E731
        attention = Attention(
            self.runs, self.settings, self.paths, lambda: bool(self._workers.in_hand), unwell, lambda: self.scheduled
        )
        await attention.run()

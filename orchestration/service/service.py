"""The service: one leader per data directory runs a Prefect server, the deployment and a warm worker."""

import asyncio
import contextlib
import logging
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client

from ingestion.departments import Department, label_of
from ingestion.errors import IngestionError, StorageFailed
from ingestion.paths import DataPaths
from ingestion.storage import storage_faults
from orchestration.errors import NoDepartments, NotRegistered, OrchestrationError, ServerNotReady
from orchestration.prefect_server.server import ensure_server, is_answering, stop_server
from orchestration.progress import Record, read_records
from orchestration.runs.archive import hand_over_orphans
from orchestration.runs.archive_runs import Backfills, Refreshes
from orchestration.runs.deployment import WORK_POOL, Schedule, register_deployment
from orchestration.runs.prefect_client import async_settings, not_ready
from orchestration.runs.recovery import skip_missed
from orchestration.runs.runs import Runs
from orchestration.runs.takeover import register_takeover
from orchestration.service.attention import Attention
from orchestration.service.following import Following
from orchestration.service.leader import Leadership
from orchestration.service.own_runs import OwnRuns
from orchestration.service.tidy import TIDY_SECONDS, tidy
from orchestration.settings import OrchestrationSettings
from orchestration.shelf.opening import open_shelf
from orchestration.snapshots.snapshots import newest_snapshot
from orchestration.worker.cores import leave_a_core_to_readers, use_all_cores
from orchestration.worker.launcher import Launcher
from orchestration.worker.worker import ArchiveWorker, WarmWorker

log = logging.getLogger("girouette.serving")

# Seconds between the leader's checks of the wake file, and every process's checks of the lock and the server.
WAKE_SECONDS = 0.4
WATCH_SECONDS = 4.0
# A busy server may miss an answer or two. One that hangs misses all.
MISSES_UNTIL_LOST = 4
# The schedule can also be paused in Prefect's UI. Nothing urgent depends on noticing it.
BEATS_PER_SCHEDULE = 40


@dataclass
class Health:
    """The state of each part of the service in one word, with a reason when it is not well."""

    role: str = "starting"
    prefect: str = "starting"
    worker: str = "starting"
    schedule: str = "starting"
    shelf: str = "none"
    reasons: dict[str, str] = field(default_factory=dict)

    def note(self, part: str, state: str, reason: str = "") -> None:
        """Set a part's state. Give a reason only when it is not well."""
        setattr(self, part, state)
        if reason:
            self.reasons[part] = reason
        else:
            self.reasons.pop(part, None)

    def has_failed(self, part: str) -> bool:
        return getattr(self, part) in ("failed", "lost")


class Service:
    """Runs the schedule while it leads. While another process leads, it waits to take over."""

    def __init__(self, departments: Sequence[Department], settings: OrchestrationSettings, paths: DataPaths) -> None:
        self.departments, self.settings, self.paths = tuple(departments), settings, paths
        self.scheduled = self.departments  # PATCH /schedule can change them
        self.health = Health()
        self.runs = Runs(settings.prefect_api_url, paths, self._wake)
        self.backfills = Backfills(settings.prefect_api_url, paths, self._wake)
        self.refreshes = Refreshes(settings.prefect_api_url, paths, self._wake)
        self.leadership = Leadership(paths)
        self.worker: WarmWorker | None = None
        self.archive_worker: ArchiveWorker | None = None
        self.has_readers: Callable[[], bool] = lambda: False
        self._wake_file = str(paths.wake_file)
        self.launcher = Launcher(paths.logs / "runs.log")
        shelf = open_shelf(settings, paths)
        note, limit = self.health.note, settings.behind_seconds
        self.following = Following(shelf, paths, limit, note) if shelf is not None else None
        self._server: subprocess.Popen[bytes] | None = None
        self._is_stopping = False
        self._said: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self.own_runs = OwnRuns(paths, self._runs_in_hand, is_alone=shelf is None)

    async def run(self) -> None:
        """Run until cancelled. Then call `stop` to end what was started."""
        async with httpx.AsyncClient(timeout=WATCH_SECONDS) as client:
            while not await self._try_to_lead(client):
                await asyncio.sleep(1)
        self.health.note("role", "leader")
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self._preload())
            parts.create_task(self._watch_wake_file())
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
        is_up = await self._is_answering(client)
        self.health.note("prefect", "ready" if is_up else "starting", "" if is_up else "the leader starts it")
        self.health.note("worker", "elsewhere")
        self.health.note("schedule", "elsewhere")
        return False

    async def stop(self) -> None:
        """Stop taking runs, give a running one its time, and leave no process behind."""
        self._is_stopping = True
        self.health.note("role", "stopping")
        for task, worker in zip(self._tasks, (self.worker, self.archive_worker), strict=False):
            if worker is not None and not task.done():
                with contextlib.suppress(httpx.HTTPError):
                    await worker.drain(self.settings.shutdown_seconds)
            task.cancel()
            await asyncio.wait([task])
        for runs in (self.runs, self.backfills, self.refreshes):
            await runs.close()
        if self._server is not None:
            await asyncio.to_thread(stop_server, self._server)
            self._server = None
        self.leadership.release()

    async def _keep_serving(self) -> None:
        while True:
            try:
                with storage_faults(self.paths):
                    await self._start_server()
                    await self._start_work()
                    await self._watch_server()
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

    async def _start_server(self) -> None:
        self.health.note("prefect", "starting", f"a Prefect server is starting at {self.settings.prefect_api_url}")
        url, paths = self.settings.prefect_api_url, self.paths
        if self._server is not None:
            if await asyncio.to_thread(is_answering, url):  # ours, and well: nothing to start
                self.health.note("prefect", "ready")
                return
            await self._end_server()
        if self.settings.role == "worker":
            if not await asyncio.to_thread(is_answering, url):
                raise ServerNotReady(url, "it does not answer, and a worker starts none; it is tried again")
            self.health.note("prefect", "ready")
            return
        starting = asyncio.to_thread(ensure_server, url, paths, self._say_once, lambda: not self._is_stopping)
        # Shielded: a thread cannot be cancelled, and we need its child process in order to stop it.
        started = asyncio.ensure_future(starting)
        try:
            self._server = await asyncio.shield(started)
        except asyncio.CancelledError:
            self._is_stopping = True
            with contextlib.suppress(OrchestrationError):
                self._server = await started
            raise
        self.health.note("prefect", "ready")

    async def _start_work(self) -> None:
        async with get_client(httpx_settings=async_settings()) as client:
            data_dir = self.paths.root if self.following is None else None
            schedule = await register_deployment(client, self.settings.schedule_cron, self.departments, data_dir)
            await self.own_runs.end_orphans(client, schedule.deployment_id)
            if self.following is not None:
                await register_takeover(client, schedule.deployment_id, wanted=self.settings.takeover)
            if missed := await skip_missed(client, schedule.deployment_id):
                log.warning("%d scheduled runs were missed; only the newest is made up for", missed)
            own = self.own_runs
            in_hand = self._archive_runs_in_hand
            for run in await hand_over_orphans(client, own.archive_worker, in_hand, own.is_own):
                log.warning("%s was left behind; run %s goes on where it stood", run.name, run.id)
        self.note_schedule(schedule)
        self._said.clear()
        log.info(
            "serving weather-hourly-deployment: %s, cron `%s` (UTC)", label_of(schedule.departments), schedule.cron
        )
        if not any(not task.done() for task in self._tasks):
            self._tasks = [asyncio.create_task(self._work()), asyncio.create_task(self._work_on_archive())]
        if newest_snapshot(self.paths) is None and schedule.departments:
            await self._first_refresh(schedule)

    def _runs_in_hand(self) -> list[UUID]:
        return self.worker.in_hand if self.worker is not None else []

    def _archive_runs_in_hand(self) -> list[UUID]:
        return self.archive_worker.in_hand if self.archive_worker is not None else []

    def read_records(self, run_id: str, skip: int = 0) -> list[Record]:
        """Read a run's progress, also when another host runs it."""
        if self.following is not None:
            self.following.records.fetch(run_id)
        return read_records(self.paths, run_id, skip)

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
        if self.own_runs.may_wait:
            async with get_client(httpx_settings=async_settings()) as client:
                await self.own_runs.end_orphans(client, schedule.deployment_id)
        if not schedule.is_active:
            return
        if not schedule.is_planned:
            reason = f"Prefect plans no run though the schedule is active: see {self.paths.logs / 'prefect-server.log'}"
            self.health.note("schedule", "failed", reason)
            log.error("%s", reason)

    async def _first_refresh(self, schedule: Schedule) -> None:
        ticket = await self.runs.trigger(schedule.departments)
        log.info("first refresh: run %s", ticket.run.id)

    async def _work(self) -> None:
        """Run a worker. If it fails, for example because the server stopped, start another."""
        name = self.own_runs.identity.name
        while True:
            self.worker = WarmWorker(WORK_POOL, self.launcher, name, self.paths.root, self._share_cores)
            self.health.note("worker", "ready" if self.launcher.is_warm else "warming")
            try:
                await self.worker.work()
            except Exception as error:
                self.health.note("worker", "failed", f"{error}; another is started")
                log.warning("the worker ended (%r); another is started", error)
                await asyncio.sleep(WATCH_SECONDS)

    async def _work_on_archive(self) -> None:
        """Run the worker of back-fills; one that fails is replaced."""
        while True:
            self.archive_worker = ArchiveWorker(
                WORK_POOL, self.launcher, self.own_runs.archive_worker, self.paths.root, self._share_cores
            )
            try:
                await self.archive_worker.work()
            except Exception as error:
                log.warning("the archive's worker ended (%r); another is started", error)
                await asyncio.sleep(WATCH_SECONDS)

    def _share_cores(self) -> None:
        """Keep our server off one core while there are readers: a run makes it busy."""
        if self._server is not None:
            (leave_a_core_to_readers if self.has_readers() else use_all_cores)(self._server.pid)

    async def _watch_server(self) -> None:
        """Return when the server is lost or no longer knows the deployment. A dead or hung server of ours is ended."""
        misses = beats = 0
        async with httpx.AsyncClient(timeout=WATCH_SECONDS) as client:
            while misses < MISSES_UNTIL_LOST:
                await asyncio.sleep(WATCH_SECONDS)
                beats += 1
                if beats % BEATS_PER_SCHEDULE == 0:
                    try:
                        await self._check_schedule()
                    except NotRegistered as error:
                        log.warning(
                            "%s: its database was lost; registering the deployment and the schedule again", error
                        )
                        return
                    except OrchestrationError as error:
                        log.debug("the schedule was not checked: %s", error)
                if self._server is not None and self._server.poll() is not None:
                    break
                misses = 0 if await self._is_answering(client) else misses + 1
        self.health.note("prefect", "lost", "the Prefect server stopped answering and is being restarted")
        log.error("the Prefect server at %s stopped answering", self.settings.prefect_api_url)
        await self._end_server()

    async def _end_server(self) -> None:
        """End a server of ours that is dead or hung."""
        if self._server is not None:
            self._server.kill()
            await asyncio.to_thread(stop_server, self._server)
            self._server = None

    async def _is_answering(self, client: httpx.AsyncClient) -> bool:
        try:
            return (await client.get(f"{self.settings.prefect_api_url}/health")).json() is True
        except (httpx.HTTPError, ValueError):
            return False

    async def _preload(self) -> None:
        await asyncio.to_thread(self.launcher.preload)
        if self.worker is not None:
            self.health.note("worker", "ready" if self.launcher.is_warm else "cold")

    async def _tidy(self) -> None:
        while True:
            await asyncio.to_thread(tidy, self.paths)
            await asyncio.sleep(TIDY_SECONDS)

    async def _attend(self) -> None:
        unwell = lambda: {part: why for part, why in self.health.reasons.items() if self.health.has_failed(part)}  # noqa: E731
        attention = Attention(
            self.runs, self.settings, self.paths, lambda: bool(self._runs_in_hand()), unwell, lambda: self.scheduled
        )
        await attention.run()

    async def _watch_wake_file(self) -> None:
        """Wake the worker when another process has asked for a run."""
        seen = self._wake_stamp()
        while True:
            await asyncio.sleep(WAKE_SECONDS)
            stamp = self._wake_stamp()
            if stamp != seen and self.worker is not None:
                seen = stamp
                self._wake_workers()

    def _wake_workers(self) -> None:
        for worker in (self.worker, self.archive_worker):
            if worker is not None:
                worker.wake()

    def _wake_stamp(self) -> int:
        try:
            return os.stat(self._wake_file).st_mtime_ns  # noqa: PTH116 - with a Path this took a fifth of the idle CPU
        except OSError:
            return 0

    def _wake(self) -> None:
        """Make the worker check its queue now: ours directly, the leader's through a file."""
        if self.worker is not None:
            self._wake_workers()
        else:
            self.paths.wake_file.parent.mkdir(parents=True, exist_ok=True)
            self.paths.wake_file.touch()

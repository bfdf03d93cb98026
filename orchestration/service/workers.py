"""The two workers of the service: of hourly runs and of back-fills. One that fails is replaced."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from uuid import UUID

import httpx

from ingestion.paths import DataPaths
from orchestration.runs.deployment import WORK_POOL
from orchestration.service.health import Health
from orchestration.service.watched_server import WATCH_SECONDS
from orchestration.worker.launcher import Launcher
from orchestration.worker.worker import ArchiveWorker, WarmWorker

log = logging.getLogger("girouette.serving")

# Seconds between the leader's checks of the wake file.
WAKE_SECONDS = 0.4


class Workers:
    """Both fork runs from one launcher. None of them exists until `start`."""

    def __init__(self, paths: DataPaths, health: Health, before_run: Callable[[], None]) -> None:
        self._paths, self._health, self._before_run = paths, health, before_run
        self._wake_file = str(paths.wake_file)
        self._launcher = Launcher(paths.logs / "runs.log")
        self._hourly: WarmWorker | None = None
        self._archive: ArchiveWorker | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def in_hand(self) -> list[UUID]:
        """Hourly runs whose process is alive or about to be."""
        return self._hourly.in_hand if self._hourly is not None else []

    @property
    def archive_in_hand(self) -> list[UUID]:
        return self._archive.in_hand if self._archive is not None else []

    def start(self, name: str, archive_name: str) -> None:
        """Take runs under these names, unless they are taken already."""
        if not any(not task.done() for task in self._tasks):
            self._tasks = [
                asyncio.create_task(self._work(name)),
                asyncio.create_task(self._work_on_archive(archive_name)),
            ]

    async def stop(self, seconds: float) -> None:
        """Take no more runs, and give a running one its time."""
        for task, worker in zip(self._tasks, (self._hourly, self._archive), strict=False):
            if worker is not None and not task.done():
                with contextlib.suppress(httpx.HTTPError):
                    await worker.drain(seconds)
            task.cancel()
            await asyncio.wait([task])

    async def preload(self) -> None:
        """Start the process that runs are forked from."""
        await asyncio.to_thread(self._launcher.preload)
        if self._hourly is not None:
            self._health.note("worker", "ready" if self._launcher.is_warm else "cold")

    def wake(self) -> None:
        """Make the workers check their queues now: ours directly, the leader's through a file."""
        if self._hourly is not None:
            self._wake_both()
        else:
            self._paths.wake_file.parent.mkdir(parents=True, exist_ok=True)
            self._paths.wake_file.touch()

    async def watch_wake_file(self) -> None:
        """Wake the workers when another process has asked for a run."""
        seen = self._wake_stamp()
        while True:
            await asyncio.sleep(WAKE_SECONDS)
            stamp = self._wake_stamp()
            if stamp != seen and self._hourly is not None:
                seen = stamp
                self._wake_both()

    async def _work(self, name: str) -> None:
        while True:
            self._hourly = WarmWorker(WORK_POOL, self._launcher, name, self._paths.root, self._before_run)
            self._health.note("worker", "ready" if self._launcher.is_warm else "warming")
            try:
                await self._hourly.work()
            except Exception as error:
                self._health.note("worker", "failed", f"{error}; another is started")
                log.warning("the worker ended (%r); another is started", error)
                await asyncio.sleep(WATCH_SECONDS)

    async def _work_on_archive(self, name: str) -> None:
        while True:
            self._archive = ArchiveWorker(WORK_POOL, self._launcher, name, self._paths.root, self._before_run)
            try:
                await self._archive.work()
            except Exception as error:
                log.warning("the archive's worker ended (%r); another is started", error)
                await asyncio.sleep(WATCH_SECONDS)

    def _wake_both(self) -> None:
        for worker in (self._hourly, self._archive):
            if worker is not None:
                worker.wake()

    def _wake_stamp(self) -> int:
        try:
            return os.stat(self._wake_file).st_mtime_ns  # noqa: PTH116 - with a Path this took a fifth of the idle CPU
        except OSError:
            return 0

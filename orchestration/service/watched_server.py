"""The Prefect server of the service: one that answers already, or a child that is watched and replaced."""

import asyncio
import contextlib
import logging
import subprocess
from collections.abc import Awaitable, Callable

import httpx

from ingestion.paths import DataPaths
from orchestration.errors import NotRegistered, OrchestrationError, ServerNotReady
from orchestration.prefect_server.server import ensure_server, is_answering, stop_server
from orchestration.service.health import Health
from orchestration.settings import OrchestrationSettings
from orchestration.worker.cores import leave_a_core_to_readers, use_all_cores

log = logging.getLogger("girouette.serving")

# Seconds between every process's checks of the lock and the server.
WATCH_SECONDS = 4.0
# A busy server may miss an answer or two. One that hangs misses all.
MISSES_UNTIL_LOST = 4
# The schedule can also be paused in Prefect's UI. Nothing urgent depends on noticing it.
BEATS_PER_SCHEDULE = 40


class WatchedServer:
    """Notes in the health how the server is. The child is None while the server is another's."""

    def __init__(
        self, settings: OrchestrationSettings, paths: DataPaths, health: Health, say_once: Callable[[str], None]
    ) -> None:
        self._url, self._role, self._paths = settings.prefect_api_url, settings.role, paths
        self._health, self._say_once = health, say_once
        self._is_stopping = False
        self.child: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Wait until it answers. Raises PortTaken or ServerNotReady."""
        self._health.note("prefect", "starting", f"a Prefect server is starting at {self._url}")
        if self.child is not None:
            if await asyncio.to_thread(is_answering, self._url):  # ours, and well: nothing to start
                self._health.note("prefect", "ready")
                return
            await self._end()
        if self._role == "worker":
            if not await asyncio.to_thread(is_answering, self._url):
                raise ServerNotReady(self._url, "it does not answer, and a worker starts none; it is tried again")
            self._health.note("prefect", "ready")
            return
        wanted = lambda: not self._is_stopping  # noqa: E731
        starting = asyncio.to_thread(ensure_server, self._url, self._paths, self._say_once, wanted)
        # Shielded: a thread cannot be cancelled, and we need its child process in order to stop it.
        started = asyncio.ensure_future(starting)
        try:
            self.child = await asyncio.shield(started)
        except asyncio.CancelledError:
            self._is_stopping = True
            with contextlib.suppress(OrchestrationError):
                self.child = await started
            raise
        self._health.note("prefect", "ready")

    async def watch(self, check_schedule: Callable[[], Awaitable[None]]) -> None:
        """Return when the server is lost or no longer knows the deployment. A dead or hung server of ours is ended."""
        misses = beats = 0
        async with httpx.AsyncClient(timeout=WATCH_SECONDS) as client:
            while misses < MISSES_UNTIL_LOST:
                await asyncio.sleep(WATCH_SECONDS)
                beats += 1
                if beats % BEATS_PER_SCHEDULE == 0:
                    try:
                        await check_schedule()
                    except NotRegistered as error:
                        log.warning(
                            "%s: its database was lost; registering the deployment and the schedule again", error
                        )
                        return
                    except OrchestrationError as error:
                        log.debug("the schedule was not checked: %s", error)
                if self.child is not None and self.child.poll() is not None:
                    break
                misses = 0 if await self.is_well(client) else misses + 1
        self._health.note("prefect", "lost", "the Prefect server stopped answering and is being restarted")
        log.error("the Prefect server at %s stopped answering", self._url)
        await self._end()

    async def is_well(self, client: httpx.AsyncClient) -> bool:
        """Ask it, with the client's time limit."""
        try:
            return (await client.get(f"{self._url}/health")).json() is True
        except (httpx.HTTPError, ValueError):
            return False

    def share_cores(self, *, has_readers: bool) -> None:
        """Keep a server of ours off one core while there are readers: a run makes it busy."""
        if self.child is not None:
            (leave_a_core_to_readers if has_readers else use_all_cores)(self.child.pid)

    async def stop(self) -> None:
        """Stop a server of ours; one that is being started is stopped by the task that starts it."""
        self._is_stopping = True
        if self.child is not None:
            await asyncio.to_thread(stop_server, self.child)
            self.child = None

    async def _end(self) -> None:
        """End a server of ours that is dead or hung."""
        if self.child is not None:
            self.child.kill()
            await asyncio.to_thread(stop_server, self.child)
            self.child = None

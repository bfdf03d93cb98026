"""The warm worker: a Prefect worker that forks runs from a process with everything imported."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from uuid import UUID

import anyio.abc
import httpx
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import InfrastructureNotFound, ObjectNotFound
from prefect.states import Cancelled, Cancelling
from prefect.workers.base import BaseWorker
from prefect.workers.process import ProcessJobConfiguration, ProcessVariables, ProcessWorkerResult

from ingestion.paths import DataPaths
from orchestration.runs.archive import ARCHIVE_QUEUE, hand_over
from orchestration.runs.deployment import FLOW_NAME, read_deployment_id
from orchestration.runs.parameters import as_tags, departments_in
from orchestration.runs.recovery import end_run, end_tasks, skip_missed
from orchestration.worker.begun import mark_begun, unmark_begun
from orchestration.worker.launcher import Launcher

log = logging.getLogger("girouette.worker")

# How soon a run set to Cancelling from Prefect's own UI is noticed; our API notifies at once.
CANCEL_POLL_SECONDS = 1.0
# A run taken by the worker has a process within this time, or it failed to start.
TAKEN_SECONDS = 120.0
# Several scheduled runs can come due while none was taken for so long: the machine slept, the clock jumped, a run was
# long.
GAP_SECONDS = 60.0
# How long Prefect's server may take to record a run's last events.
LATE_EVENTS_SECONDS = 5.0


class WarmWorker(BaseWorker[ProcessJobConfiguration, ProcessVariables, ProcessWorkerResult]):
    """Takes runs of a `process` work pool, one at a time, and forks each from the launcher.

    An ordinary `prefect worker start --pool …` serves the same pool: the type is the same.
    """

    type = "process"
    job_configuration = ProcessJobConfiguration
    job_configuration_variables = ProcessVariables

    queue = "default"

    def __init__(
        self, work_pool_name: str, launcher: Launcher, name: str, data_dir: Path, before_run: Callable[[], None]
    ) -> None:
        # Later runs wait in Prefect's queue, oldest first, until the current one ends.
        super().__init__(
            work_pool_name,
            work_queues=[self.queue],
            name=name,
            limit=1,
            prefetch_seconds=1,
            create_pool_if_not_found=False,
        )
        self._launcher, self._before_run = launcher, before_run
        self._paths = DataPaths(data_dir)
        self._data_dir = {"DATA_DIR": str(data_dir.resolve())}
        self._woken = asyncio.Event()
        self._accepting = True
        self._children: dict[UUID, BaseProcess] = {}
        self._taken: dict[UUID, float] = {}
        self._look: dict[UUID, asyncio.Event] = {}
        self._sweeps: set[asyncio.Task[None]] = set()
        self._free_at = time.time()
        self._catching_up = asyncio.Lock()

    @classmethod
    def __dispatch_key__(cls) -> str:
        """Register beside Prefect's own process worker, not in its place."""
        return "process-warm"

    @property
    def in_hand(self) -> list[UUID]:
        """Flow runs whose process is alive or about to be."""
        since = time.monotonic() - TAKEN_SECONDS
        return [*self._children, *(run_id for run_id, at in self._taken.items() if at > since)]

    def wake(self) -> None:
        """Look for runs, and for cancellations, now instead of at the next poll."""
        self._woken.set()
        for look in self._look.values():
            look.set()

    async def work(self) -> None:
        """Run Prefect's polling loops until cancelled, and also poll when woken."""
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self.start(printer=log.debug))
            loops.create_task(self._poll_when_woken())

    async def drain(self, seconds: float) -> None:
        """Take no more runs. Wait up to `seconds` for the running one, then cancel it."""
        self._accepting = False
        deadline = asyncio.get_running_loop().time() + seconds
        while self._children and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.1)
        for flow_run_id in list(self._children):
            await self._cancel(flow_run_id, "cancelled: the service was stopped")

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """Take the runs that are due, unless the service is stopping."""
        await self._catch_up()
        taken = await super().get_and_submit_flow_runs() if self._accepting else []
        now = time.monotonic()
        recent = {run_id: at for run_id, at in self._taken.items() if at > now - TAKEN_SECONDS}
        self._taken = recent | dict.fromkeys((run.id for run in taken), now)
        return taken

    async def _catch_up(self) -> None:
        """After a gap, leave only the newest of the scheduled runs that came due."""
        async with self._catching_up:  # a second poll waits here, so that it takes none of them
            if self._children:
                return
            # The wall clock: a monotonic one stands still while a machine sleeps.
            if abs(time.time() - self._free_at) > GAP_SECONDS:
                try:
                    if missed := await skip_missed(self.client, await read_deployment_id(self.client)):
                        log.warning("%d scheduled runs came due meanwhile; only the newest is run", missed)
                except (httpx.HTTPError, ObjectNotFound) as error:
                    log.debug("missed runs were not looked for: %s", error)
                    return
            self._free_at = time.time()

    async def run(
        self,
        flow_run: FlowRun,
        configuration: ProcessJobConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> ProcessWorkerResult:
        """Fork the run and stay with it to its end; a run set to Cancelling is killed and ends Cancelled."""
        self._before_run()
        # The rest of the environment is this service's own: a caller of Prefect's API is not to choose it.
        env = {name: value for name, value in configuration.env.items() if value and name.startswith("PREFECT__")}
        flow = configuration.labels.get("prefect.io/flow-name", FLOW_NAME)
        mark_begun(self._paths, str(flow_run.id))
        child = await asyncio.to_thread(self._launcher.launch, str(flow_run.id), env | self._data_dir, flow)
        self._children[flow_run.id] = child
        pid = child.pid or 0
        if task_status is not None:
            task_status.started(pid)
        loop = asyncio.get_running_loop()
        started = loop.time()
        look = self._look[flow_run.id] = asyncio.Event()
        loop.add_reader(child.sentinel, look.set)
        try:
            await self._tag(flow_run)
            while child.is_alive():
                with suppress(TimeoutError):
                    await asyncio.wait_for(look.wait(), CANCEL_POLL_SECONDS)
                look.clear()
                # Also once it ended: a run set to Cancelling before it began ends by itself, in no final state.
                if await self._is_cancelling(flow_run.id):
                    await self._cancel(flow_run.id, "cancelled on request")
        finally:
            loop.remove_reader(child.sentinel)
            child.kill()
            unmark_begun(self._paths, str(flow_run.id))
            del self._children[flow_run.id], self._look[flow_run.id]
            self._taken.pop(flow_run.id, None)
            # Its slot is free once this returns, so take the next run without waiting for a poll.
            loop.call_soon(self.wake)
        state = await self._state(flow_run.id)
        ended = state.name if state is not None else "unknown"
        facts = {"run_id": str(flow_run.id), "state": ended, "seconds": round(loop.time() - started, 1)}
        log.info("run of %s ended %s", flow_run.name, ended, extra=facts | {"exit_code": child.exitcode})
        status = 0 if state is not None and state.is_final() else child.exitcode
        return ProcessWorkerResult(status_code=1 if status is None else status, identifier=str(pid))

    async def kill_infrastructure(
        self,
        infrastructure_pid: str,
        configuration: ProcessJobConfiguration,  # noqa: ARG002 - the interface's
        grace_seconds: int = 30,  # noqa: ARG002
    ) -> None:
        """Kill a run's process at once. This is safe: the pipeline survives a kill at any point."""
        for child in self._children.values():
            if str(child.pid) == infrastructure_pid:
                child.kill()
                return
        raise InfrastructureNotFound(f"no run of this worker has process {infrastructure_pid}")

    async def _poll_when_woken(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                await self.get_and_submit_flow_runs()
            except (httpx.HTTPError, RuntimeError) as error:  # not set up yet, or no server: polling goes on
                log.debug("not polled: %s", error)

    async def _cancel(self, flow_run_id: UUID, why: str) -> None:
        child = self._children[flow_run_id]
        child.kill()
        await asyncio.to_thread(child.join)
        if not await self._is_over(flow_run_id):
            cancelled: State = Cancelled(message=why)
            await end_run(self.client, flow_run_id, cancelled)
            # Prefect records tasks from events, late when busy. A task started just before the kill may still appear.
            sweep = asyncio.create_task(self._end_late_tasks(flow_run_id, cancelled))
            self._sweeps.add(sweep)
            sweep.add_done_callback(self._sweeps.discard)

    async def _end_late_tasks(self, flow_run_id: UUID, state: State) -> None:
        await asyncio.sleep(LATE_EVENTS_SECONDS)
        with suppress(httpx.HTTPError, ObjectNotFound):
            await end_tasks(self.client, flow_run_id, state)

    async def _tag(self, flow_run: FlowRun) -> None:
        """Tag a scheduled run with its départements. Triggered runs are tagged when created.

        The deployment cannot carry the tags: Prefect would add them to every run of it.
        """
        if flow_run.auto_scheduled:
            with suppress(httpx.HTTPError):
                tags = as_tags(departments_in(flow_run.parameters))
                await self.client.update_flow_run(flow_run.id, tags=[*flow_run.tags, *tags])

    async def _is_cancelling(self, flow_run_id: UUID) -> bool:
        state = await self._state(flow_run_id)
        return state is not None and state.is_cancelling()

    async def _is_over(self, flow_run_id: UUID) -> bool:
        state = await self._state(flow_run_id)
        return state is not None and state.is_final()

    async def _state(self, flow_run_id: UUID) -> State | None:
        try:
            return (await self.client.read_flow_run(flow_run_id)).state
        except ObjectNotFound:  # the run was deleted: stop its process
            return Cancelling()
        except httpx.HTTPError as error:  # the run goes on while the server is unreachable
            log.debug("state of %s not read: %s", flow_run_id, error)
            return None


class ArchiveWorker(WarmWorker):
    """Takes back-fills and refreshes of the archive, beside the hourly runs."""

    queue = ARCHIVE_QUEUE

    @classmethod
    def __dispatch_key__(cls) -> str:
        return "process-warm-archive"

    async def drain(self, seconds: float) -> None:  # noqa: ARG002 - the interface's
        """Take no more runs. Queue the running one again for the next start and end it: it goes on where it stood."""
        self._accepting = False
        for flow_run_id, child in list(self._children.items()):

            def end(child: BaseProcess = child) -> None:
                child.kill()
                child.join()

            await hand_over(self.client, await self.client.read_flow_run(flow_run_id), "the service was stopped", end)

    async def _catch_up(self) -> None:
        """Nothing to leave out: a refresh loads what changed, however long ago."""

    async def _tag(self, flow_run: FlowRun) -> None:
        """No tags: only hourly runs are looked for by département."""

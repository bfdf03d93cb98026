"""Runs as Prefect knows them: ask for one, find them again, cancel, retry. Any process may; the leader runs them."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypedDict, cast
from uuid import UUID

import httpx
from filelock import FileLock
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    LogFilter,
    LogFilterFlowRunId,
    TaskRunFilter,
    TaskRunFilterFlowRunId,
)
from prefect.client.schemas.objects import FlowRun, Log, State, StateType, TaskRun
from prefect.client.schemas.sorting import FlowRunSort, LogSort, TaskRunSort
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY
from prefect.states import Cancelling, Scheduled

from ingestion.departments import Department, label_of
from ingestion.errors import StorageFailed
from ingestion.paths import DataPaths
from ingestion.storage import require_room, storage_faults
from orchestration.errors import (
    KeyReused,
    NoDepartments,
    NoRoom,
    NotRegistered,
    QueueFull,
    RunNotCancellable,
    RunNotFound,
    RunNotRetriable,
)
from orchestration.runs.archive import ARCHIVE_QUEUE, queue_again
from orchestration.runs.deployment import Schedule, change_schedule, read_deployment_id, read_schedule
from orchestration.runs.find_runs import find_runs, read_pages
from orchestration.runs.parameters import as_parameter, as_tags, as_texts, departments_in
from orchestration.runs.prefect_client import async_settings, not_ready

WAITING = (StateType.SCHEDULED, StateType.PENDING)
UNDER_WAY = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING, StateType.PAUSED)
ENDED = (StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED)
# The scheduled run waits behind them all: at half a minute each, for less than an hour.
MOST_WAITING = 100
# Longer than any healthy answer. The leader finds out whether a server hangs or is only slow.
ANSWER_SECONDS = 15


# How long the deployment is taken to be the one it was.
DEPLOYMENT_SECONDS = 30


class Parameters(TypedDict):
    """The flow's parameters."""

    dept: str | list[str]
    full: bool


@dataclass(frozen=True)
class Ticket:
    """What came of asking for a run: the run, and whether it was there already."""

    run: FlowRun
    is_coalesced: bool = False


class Runs:
    """The runs of the hourly deployment, through one connection to the Prefect server."""

    read_id = staticmethod(read_deployment_id)

    def __init__(self, api_url: str, paths: DataPaths, wake: Callable[[], None]) -> None:
        self.api_url = api_url
        self._paths = paths
        self._wake = wake
        self._turn = asyncio.Lock()
        self._client: PrefectClient | None = None
        self._deployment_id: UUID | None = None
        self._known_until = 0.0

    async def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            await self._client.__aexit__(None, None, None)
            self._client = None

    async def trigger(self, departments: Sequence[Department], *, full: bool = False, key: str | None = None) -> Ticket:
        """Queue a run, or find the one that fulfils the wish: the same key's, or an equal one still to end.

        Raises NoDepartments when there are none, KeyReused when the key's run has other parameters, QueueFull when
        too many wait, ServerNotReady when Prefect does not answer.
        """
        if not departments:
            raise NoDepartments
        parameters: Parameters = {"dept": as_parameter(departments), "full": full}
        key_tag = f"key:{hashlib.sha256(key.encode()).hexdigest()[:24]}" if key else None
        async with self._one_at_a_time(), self._prefect() as client:
            deployment_id = await self._known_deployment(client)
            if key_tag and (known := await self.find(tags=[key_tag], limit=1)):
                if not _fulfils(known[0], parameters):
                    raise KeyReused(str(known[0].id))
                return Ticket(known[0])
            to_end = await self.find_all(states=(*WAITING, StateType.RUNNING))
            for run in to_end:
                if _fulfils(run, parameters):
                    if key_tag:
                        await client.update_flow_run(run.id, tags=[*run.tags, key_tag])
                    return Ticket(run, is_coalesced=True)
            if len(to_end) >= MOST_WAITING:
                raise QueueFull(len(to_end))
            run = await client.create_flow_run_from_deployment(
                deployment_id,
                name=label_of(departments),
                parameters=cast("dict[str, Any]", parameters),
                tags=[*as_tags(departments), *([key_tag] if key_tag else [])],
                idempotency_key=key_tag,  # two hosts asked at once get one run
                state=Scheduled(),
            )
        self._wake()
        return Ticket(run)

    async def find(
        self,
        *,
        states: Sequence[StateType] = (),
        tags: Sequence[str] = (),
        any_tags: Sequence[str] = (),
        after: datetime | None = None,
        before: datetime | None = None,
        limit: int = 50,
        offset: int = 0,
        sort: FlowRunSort = FlowRunSort.EXPECTED_START_TIME_DESC,
    ) -> list[FlowRun]:
        """Find runs that are due or past, newest first."""
        async with self._prefect() as client:
            deployment_id = await self._known_deployment(client)
            return await find_runs(
                client,
                deployment_id,
                states=states,
                tags=tags,
                any_tags=any_tags,
                after=after,
                # Prefect plans the scheduled runs of days to come; they are no runs yet.
                before=before or datetime.now(UTC),
                limit=limit,
                offset=offset,
                sort=sort,
            )

    async def find_all(self, *, states: Sequence[StateType]) -> list[FlowRun]:
        """Find every run in these states, page by page: Prefect gives at most 200 at once."""
        now = datetime.now(UTC)
        return await read_pages(lambda limit, offset: self.find(states=states, before=now, limit=limit, offset=offset))

    async def read(self, run_id: UUID) -> FlowRun:
        """Read one run of the flow; raises RunNotFound."""
        async with self._prefect() as client:
            try:
                return await client.read_flow_run(run_id)
            except ObjectNotFound as error:
                raise RunNotFound(str(run_id)) from error

    async def history(self, run_id: UUID) -> list[State]:
        """Read the states a run went through, oldest first."""
        async with self._prefect() as client:
            states: list[State] = await client.read_flow_run_states(run_id)
        return sorted(states, key=lambda state: state.timestamp)

    async def tasks(self, run_id: UUID) -> list[TaskRun]:
        """Read a run's tasks in the order they began."""
        of_run = TaskRunFilter(flow_run_id=TaskRunFilterFlowRunId(any_=[run_id]))
        async with self._prefect() as client:
            found: list[TaskRun] = await read_pages(
                lambda limit, offset: client.read_task_runs(
                    task_run_filter=of_run, limit=limit, offset=offset, sort=TaskRunSort.EXPECTED_START_TIME_ASC
                )
            )
        return sorted(found, key=lambda task: task.start_time or task.created or datetime.now(UTC))

    async def logs(self, run_id: UUID, *, limit: int, offset: int) -> list[Log]:
        """Read a run's log lines, oldest first."""
        async with self._prefect() as client:
            found: list[Log] = await client.read_logs(
                LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run_id])),
                limit=limit,
                offset=offset,
                sort=LogSort.TIMESTAMP_ASC,
            )
        return found

    async def cancel(self, run_id: UUID) -> FlowRun:
        """Ask for a run's end: at once when it waits, within seconds when it runs."""
        run = await self.read(run_id)
        if run.state is not None and run.state.is_final():
            raise RunNotCancellable(str(run_id), run.state.name or run.state.type.value)
        async with self._prefect() as client:
            await client.set_flow_run_state(run_id, Cancelling(message="cancelled on request"))
        self._wake()
        return await self.read(run_id)

    async def retry(self, run_id: UUID) -> Ticket:
        """Queue a new run with the parameters of one that has ended."""
        run = await self.read(run_id)
        if run.state is None or not run.state.is_final():
            raise RunNotRetriable(str(run_id), run.state.name or "waiting" if run.state else "waiting")
        if run.work_queue_name == ARCHIVE_QUEUE:
            async with self._one_at_a_time(), self._prefect() as client:
                again = await queue_again(client, run)
            self._wake()
            return Ticket(again)
        return await self.trigger(departments_of(run), full=bool(run.parameters.get("full")))

    async def schedule(self) -> Schedule:
        """Read the schedule."""
        async with self._prefect() as client:
            return await read_schedule(client)

    async def change_schedule(
        self,
        *,
        cron: str | None = None,
        departments: Sequence[Department] | None = None,
        is_active: bool | None = None,
    ) -> Schedule:
        """Change what is given of the schedule, leave the rest. Raises StorageFailed on a full disk."""
        await asyncio.to_thread(require_room, self._paths)
        async with self._prefect() as client:
            return await change_schedule(client, cron=cron, departments=departments, is_active=is_active)

    async def _known_deployment(self, client: PrefectClient) -> UUID:
        """Give the deployment's id; it is asked for now and then, as a server may come back with an empty database."""
        time = asyncio.get_running_loop().time()
        if self._deployment_id is None or time > self._known_until:
            self._deployment_id = await self.read_id(client)
            self._known_until = time + DEPLOYMENT_SECONDS
        return self._deployment_id

    @asynccontextmanager
    async def _prefect(self) -> AsyncIterator[PrefectClient]:
        """Give the client; raises ServerNotReady when the server fails, NoRoom when a full disk is why."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                if self._client is None:
                    client = PrefectClient(
                        self.api_url,
                        auth_string=PREFECT_API_AUTH_STRING.value(),
                        api_key=PREFECT_API_KEY.value(),
                        httpx_settings=async_settings(),
                    )
                    self._client = await client.__aenter__()
                yield self._client
        except ObjectNotFound as error:
            self._deployment_id = None  # deleted by hand, or another database: look again next time
            raise NotRegistered(self.api_url) from error
        except (httpx.HTTPError, TimeoutError, PrefectException) as error:
            self._deployment_id = None
            try:
                await asyncio.to_thread(require_room, self._paths)
            except StorageFailed as full:
                raise NoRoom(full) from error
            raise not_ready(self.api_url, error) from error

    @asynccontextmanager
    async def _one_at_a_time(self) -> AsyncIterator[None]:
        """Hold back other wishes, of this process and of others, between looking for an equal run and creating one."""
        async with self._turn:
            with storage_faults(self._paths):
                self._paths.trigger_lock.parent.mkdir(parents=True, exist_ok=True)
                await asyncio.to_thread(require_room, self._paths)  # a run could write nothing
                lock = FileLock(self._paths.trigger_lock, thread_local=False)
                await asyncio.to_thread(lock.acquire)
            try:
                yield
            finally:
                lock.release()


def departments_of(run: FlowRun) -> tuple[Department, ...]:
    """Say which départements a run fetches: none of a refresh, or where they cannot be read."""
    if run.work_queue_name == ARCHIVE_QUEUE and "dept" not in run.parameters:
        return ()
    return departments_in(run.parameters)


def _fulfils(run: FlowRun, parameters: Parameters) -> bool:
    wanted = set(as_texts(parameters["dept"]))
    is_full = bool(run.parameters.get("full"))
    return set(as_texts(as_parameter(departments_of(run)))) == wanted and is_full >= parameters["full"]

"""What a killed service left in Prefect: runs whose process is gone, and scheduled runs nobody took."""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    TaskRunFilter,
    TaskRunFilterFlowRunId,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Crashed

from orchestration.runs.find_runs import find_due, read_pages

_WORKER_LABEL = "prefect.worker.name"
_SILENT_SECONDS = 90  # three of a worker's heartbeats
_STUCK = timedelta(minutes=10)


async def end_orphans(
    client: PrefectClient,
    deployment_id: UUID,
    worker_name: str,
    alive: Callable[[], Collection[UUID]] = tuple,
    is_ours: Callable[[FlowRun], bool] | None = None,
) -> list[FlowRun]:
    """End the runs of this service's worker that have lost their process; return them.

    Runs of other workers on the pool are not touched. The caller leads, so no other process has our name. `alive`
    is called after Prefect answers, so a run that our worker takes meanwhile does not count as an orphan. `is_ours`
    decides beside other hosts: a worker that wants a run and does not get it has labelled it all the same.
    """
    orphans = await find_orphans(client, deployment_id, worker_name, alive, is_ours)
    for run in orphans:
        is_cancelling = run.state is not None and run.state.is_cancelling()
        message = "its process ended with the service that ran it; the last snapshot stays served"
        await end_run(client, run.id, Cancelled(message=message) if is_cancelling else Crashed(message=message))
    return orphans


async def find_orphans(
    client: PrefectClient,
    deployment_id: UUID,
    worker_name: str,
    alive: Callable[[], Collection[UUID]] = tuple,
    is_ours: Callable[[FlowRun], bool] | None = None,
) -> list[FlowRun]:
    """Find the runs of this service's worker that have lost their process (see `end_orphans`)."""
    begun = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)
    is_ours = is_ours or (lambda run: run.labels.get(_WORKER_LABEL, worker_name) == worker_name)
    due = await find_due(client, deployment_id, begun)
    return [run for run in due if run.id not in alive() and is_ours(run)]


def is_labelled(run: FlowRun, worker_name: str) -> bool:
    return bool(run.labels.get(_WORKER_LABEL) == worker_name)


def is_stuck(run: FlowRun) -> bool:
    """Whether a run was taken long ago and never begun: its host was lost in between, and no heartbeat tells."""
    state = run.state
    return state is not None and state.is_pending() and state.timestamp < datetime.now(UTC) - _STUCK


async def silent_workers(client: PrefectClient, work_pool: str, names: Sequence[str]) -> list[str]:
    """Name the workers of which Prefect has heard nothing for 90 s, or never. Another machine may run the others."""
    oldest = datetime.now(UTC) - timedelta(seconds=_SILENT_SECONDS)
    known = await client.read_workers_for_work_pool(work_pool)
    heard = {worker.name for worker in known if worker.last_heartbeat_time and worker.last_heartbeat_time > oldest}
    return [name for name in names if name not in heard]


async def skip_missed(client: PrefectClient, deployment_id: UUID) -> int:
    """Cancel all but the newest scheduled run that came due while none could run: one run fetches everything."""
    due = [run for run in await find_due(client, deployment_id, [StateType.SCHEDULED]) if run.auto_scheduled]
    for run in due[1:]:
        message = "came due while the service was stopped, slept or was busy; a later run fetches its hours"
        await end_run(client, run.id, Cancelled(name="Skipped", message=message))
    return len(due[1:])


async def end_run(client: PrefectClient, flow_run_id: UUID, state: State) -> None:
    """Set the final state of a run without a process, and of its unfinished tasks.

    Tasks come first, so that an ended run never shows a running task.
    """
    await end_tasks(client, flow_run_id, state)
    with suppress(ObjectNotFound):
        await client.set_flow_run_state(flow_run_id, state, force=True)


async def end_tasks(client: PrefectClient, flow_run_id: UUID, state: State) -> None:
    """Set the final state of a run's unfinished tasks."""
    unfinished = TaskRunFilter(
        flow_run_id=TaskRunFilterFlowRunId(any_=[flow_run_id]),
        state=TaskRunFilterState(type=TaskRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING])),
    )
    found = await read_pages(
        lambda limit, offset: client.read_task_runs(task_run_filter=unfinished, limit=limit, offset=offset)
    )
    for task_run in found:
        await client.set_task_run_state(task_run.id, state.model_copy(update={"id": uuid4()}), force=True)

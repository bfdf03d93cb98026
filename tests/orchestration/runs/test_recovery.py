"""What a killed or sleeping service left, where it is more than one page of Prefect's answers."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State, TaskRun
from prefect.states import Cancelled, Pending, Running

from orchestration.runs.recovery import end_orphans, end_tasks, is_stuck, skip_missed

PAGE = 200


class PagingPrefect:
    """Gives runs in pages of at most 200, as Prefect does, and keeps the states it is given."""

    def __init__(self, runs: list[FlowRun], tasks: int = 0) -> None:
        self.runs = runs
        self.task_runs = [TaskRun(id=uuid4(), task_key="ingest", dynamic_key=str(number)) for number in range(tasks)]
        self.ended: dict[UUID, str | None] = {}

    async def read_flow_runs(self, *, limit: int | None, offset: int, **_: Any) -> list[FlowRun]:
        return self.runs[offset : offset + min(limit or PAGE, PAGE)]

    async def read_task_runs(self, *, limit: int | None, offset: int, **_: Any) -> list[TaskRun]:
        return self.task_runs[offset : offset + min(limit or PAGE, PAGE)]

    async def set_flow_run_state(self, run_id: UUID, state: State, **_: Any) -> None:
        self.ended[run_id] = state.name

    async def set_task_run_state(self, task_run_id: UUID, state: State, **_: Any) -> None:
        self.ended[task_run_id] = state.name


def make_runs(number: int, **facts: Any) -> list[FlowRun]:
    return [FlowRun(id=uuid4(), flow_id=uuid4(), **facts) for _ in range(number)]


def test_of_hundreds_of_missed_runs_only_the_newest_is_left():
    prefect = PagingPrefect(make_runs(450, auto_scheduled=True))
    assert asyncio.run(skip_missed(cast("PrefectClient", prefect), uuid4())) == 449
    assert prefect.ended == {run.id: "Skipped" for run in prefect.runs[1:]}


def test_a_missed_run_behind_a_full_page_of_asked_ones_is_found():
    prefect = PagingPrefect(make_runs(PAGE) + make_runs(2, auto_scheduled=True))
    assert asyncio.run(skip_missed(cast("PrefectClient", prefect), uuid4())) == 1
    assert list(prefect.ended) == [prefect.runs[-1].id]


def test_orphans_behind_the_first_page_are_ended():
    prefect = PagingPrefect(make_runs(401, state=Running()))
    ended = asyncio.run(
        end_orphans(cast("PrefectClient", prefect), uuid4(), "this", alive=lambda: [prefect.runs[0].id])
    )
    assert [run.id for run in ended] == [run.id for run in prefect.runs[1:]]
    assert set(prefect.ended.values()) == {"Crashed"}
    assert len(prefect.ended) == 400


def test_beside_other_hosts_only_runs_that_this_one_began_or_nobody_did_are_ended():
    old = datetime.now(UTC) - timedelta(minutes=11)
    begun, of_another, taken_now = (make_runs(1, state=state)[0] for state in (Running(), Running(), Pending()))
    stuck = make_runs(1, state=Pending(timestamp=old))[0]
    of_another.labels = {"prefect.worker.name": "this"}  # it was wanted here, and another host got it
    prefect = PagingPrefect([begun, of_another, taken_now, stuck])
    ended = asyncio.run(
        end_orphans(
            cast("PrefectClient", prefect), uuid4(), "this", is_ours=lambda run: run.id == begun.id or is_stuck(run)
        )
    )
    assert [run.id for run in ended] == [begun.id, stuck.id]


def test_every_task_of_an_ended_run_ends():
    prefect = PagingPrefect([], tasks=420)
    asyncio.run(end_tasks(cast("PrefectClient", prefect), uuid4(), Cancelled()))
    assert prefect.ended == {task.id: "Cancelled" for task in prefect.task_runs}

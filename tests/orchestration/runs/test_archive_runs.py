"""The archive's deployments on a real Prefect server, under names of their own."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.schedules import CronSchedule
from prefect.states import Cancelling, Pending, Running, Scheduled

from ingestion.departments import resolve_all
from orchestration.runs import archive, deployment
from orchestration.runs.archive import hand_over_orphans, register_archive
from orchestration.runs.deployment import register_deployment

pytestmark = pytest.mark.xdist_group("prefect")


@pytest.fixture(autouse=True)
def _names_of_its_own(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    for module in (deployment, archive):
        monkeypatch.setattr(module, "WORK_POOL", "ordinary")
    monkeypatch.setattr(deployment, "DEPLOYMENT_NAME", f"hourly of {request.node.name}")
    monkeypatch.setattr(archive, "BACKFILL_DEPLOYMENT", f"backfill of {request.node.name}")
    monkeypatch.setattr(archive, "REFRESH_DEPLOYMENT", f"refresh of {request.node.name}")


def with_client(url: str, work: Callable[[PrefectClient], Awaitable[None]]) -> None:
    async def run() -> None:
        async with PrefectClient(url) as client:
            await work(client)

    asyncio.run(run())


def test_they_have_a_queue_of_their_own_and_a_changed_refresh_stays_changed(prefect_server: str, data_dir: Path):
    async def work(client: PrefectClient) -> None:
        hourly = await register_deployment(client, "0 0 1 1 *", resolve_all(["9"]), data_dir)
        backfill_id, refresh_id = await register_archive(client)
        found = [await client.read_deployment(key) for key in (hourly.deployment_id, backfill_id, refresh_id)]
        assert [deployment.work_queue_name for deployment in found] == ["default", "archive", "archive"]
        queue = await client.read_work_queue_by_name("archive", work_pool_name="ordinary")
        assert queue.concurrency_limit == 1
        assert [schedule.schedule.cron for schedule in found[2].schedules] == ["50 10 * * *"]
        assert found[1].schedules == []

        (schedule,) = found[2].schedules
        later = CronSchedule(cron="5 12 * * *", timezone="UTC")
        await client.update_deployment_schedule(refresh_id, schedule.id, schedule=later, active=False)
        await client.update_work_queue(queue.id, concurrency_limit=5)
        assert await register_archive(client) == (backfill_id, refresh_id)
        (kept,) = (await client.read_deployment(refresh_id)).schedules
        assert (kept.schedule.cron, kept.active) == ("5 12 * * *", False)
        assert (await client.read_work_queue(queue.id)).concurrency_limit == 1

    with_client(prefect_server, work)


def test_a_run_that_lost_its_process_goes_on_as_another(prefect_server: str, data_dir: Path):
    async def work(client: PrefectClient) -> None:
        await register_deployment(client, "0 0 1 1 *", resolve_all(["9"]), data_dir)
        backfill_id, _ = await register_archive(client)
        wanted = {"dept": ["9", "31"], "datasets": ["days"], "since": 1950, "to": None}
        lost, alive, cancelled = [
            await client.create_flow_run_from_deployment(backfill_id, parameters=wanted, state=Scheduled())
            for _ in range(3)
        ]
        for run in (lost, alive, cancelled):
            await client.set_flow_run_state(run.id, Pending(), force=True)
            await client.set_flow_run_state(run.id, Running(), force=True)
            await client.update_flow_run_labels(run.id, {"prefect.worker.name": "this"})
        await client.set_flow_run_state(cancelled.id, Cancelling(), force=True)
        (successor,) = await hand_over_orphans(client, "this", alive=lambda: [alive.id])
        states = [(await client.read_flow_run(run.id)).state_type.value for run in (lost, alive, cancelled, successor)]
        assert states == ["CRASHED", "RUNNING", "CANCELLED", "SCHEDULED"]
        assert successor.parameters == wanted
        ended = await client.read_flow_run(lost.id)
        assert f"run {successor.id} goes on where it stood" in ended.state.message
        assert await hand_over_orphans(client, "this", alive=lambda: [alive.id]) == []

    with_client(prefect_server, work)

"""The deployment on a real Prefect server, under names of its own: the service's tests use the real ones."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.objects import FlowRun
from prefect.states import Pending, Running, Scheduled

from ingestion.departments import resolve_all
from orchestration.runs import deployment
from orchestration.runs.deployment import change_schedule, read_schedule, register_deployment
from orchestration.runs.recovery import end_orphans, skip_missed

pytestmark = pytest.mark.xdist_group("prefect")

ARIEGE = resolve_all(["9"])


@pytest.fixture(autouse=True)
def _names_of_its_own(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr(deployment, "WORK_POOL", "ordinary")
    monkeypatch.setattr(deployment, "DEPLOYMENT_NAME", f"deployment of {request.node.name}")


def with_client(url: str, work: Callable[[PrefectClient], Awaitable[None]]) -> None:
    async def run() -> None:
        async with PrefectClient(url) as client:
            await work(client)

    asyncio.run(run())


@pytest.mark.slow
def test_an_ordinary_prefect_worker_runs_the_flow(prefect_server: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch):
    found: list[FlowRun] = []

    async def order(client: PrefectClient) -> None:
        schedule = await register_deployment(client, "0 0 1 1 *", ARIEGE, data_dir)
        found.append(await client.create_flow_run_from_deployment(schedule.deployment_id))

    async def look(client: PrefectClient) -> None:
        found.append(await client.read_flow_run(found[0].id))

    with_client(prefect_server, order)
    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    monkeypatch.setenv("DATA_DIR", str(data_dir.with_name("of the worker")))
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "ordinary", "--run-once"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    with_client(prefect_server, look)
    assert found[1].state is not None
    assert found[1].state.is_completed(), ended.stdout + ended.stderr
    assert (data_dir / "warehouse.duckdb").exists()


def test_a_changed_schedule_outlives_restarts_until_the_settings_change(prefect_server: str, data_dir: Path):
    async def work(client: PrefectClient) -> None:
        first = await register_deployment(client, "0 * * * *", ARIEGE, data_dir)
        assert (first.cron, first.is_active, first.departments) == ("0 * * * *", True, ARIEGE)
        await change_schedule(client, cron="7 * * * *", departments=resolve_all(["30", "31"]), is_active=False)

        again = await register_deployment(client, "0 * * * *", ARIEGE, data_dir)
        assert (again.cron, again.is_active) == ("7 * * * *", False)
        assert [d.code for d in again.departments] == ["30", "31"]

        anew = await register_deployment(client, "12 * * * *", ARIEGE, data_dir)
        assert (anew.cron, anew.is_active, anew.departments) == ("12 * * * *", True, ARIEGE)
        assert anew.deployment_id == first.deployment_id

    with_client(prefect_server, work)


def test_an_unknown_department_set_in_prefects_ui_can_be_corrected(prefect_server: str, data_dir: Path):
    async def work(client: PrefectClient) -> None:
        first = await register_deployment(client, "0 * * * *", ARIEGE, data_dir)
        for dept in ("Atlantis", list[str]()):
            await client.update_deployment(first.deployment_id, DeploymentUpdate(parameters={"dept": dept}))
            again = await register_deployment(client, "0 * * * *", ARIEGE, data_dir)  # as at each start
            assert (again.departments, again.is_active) == ((), True)
        assert (await change_schedule(client, departments=ARIEGE)).departments == ARIEGE

    with_client(prefect_server, work)


def test_a_pause_leaves_the_rest_and_a_change_leaves_the_pause(prefect_server: str, data_dir: Path):
    async def work(client: PrefectClient) -> None:
        await register_deployment(client, "0 * * * *", ARIEGE, data_dir)
        assert not (await change_schedule(client, is_active=False)).is_active
        assert not (await change_schedule(client, cron="5 * * * *")).is_active
        assert (await change_schedule(client, is_active=True)).is_active
        assert (await read_schedule(client)).cron == "5 * * * *"

    with_client(prefect_server, work)


def test_orphans_of_this_service_are_ended_and_other_workers_runs_are_left(prefect_server: str, data_dir: Path):
    async def work(client: PrefectClient) -> None:
        deployment_id = (await register_deployment(client, "0 0 1 1 *", ARIEGE, data_dir)).deployment_id
        runs = [await client.create_flow_run_from_deployment(deployment_id, state=Scheduled()) for _ in range(4)]
        ours, others, alive, _ = runs
        for run, worker in ((ours, "this"), (others, "another"), (alive, "this")):
            await client.set_flow_run_state(run.id, Pending(), force=True)
            await client.set_flow_run_state(run.id, Running(), force=True)
            await client.update_flow_run_labels(run.id, {"prefect.worker.name": worker})
        ended = await end_orphans(client, deployment_id, "this", alive=lambda: [alive.id])
        assert [run.id for run in ended] == [ours.id]
        types = [(await client.read_flow_run(run.id)).state_type.value for run in runs]
        assert types == ["CRASHED", "RUNNING", "RUNNING", "SCHEDULED"]

    with_client(prefect_server, work)


def test_runs_asked_for_by_people_are_never_skipped(prefect_server: str, data_dir: Path):
    async def work(client: PrefectClient) -> None:
        deployment_id = (await register_deployment(client, "0 0 1 1 *", ARIEGE, data_dir)).deployment_id
        for hours in (3, 2, 1):
            due = datetime.now(UTC) - timedelta(hours=hours)
            await client.create_flow_run_from_deployment(deployment_id, state=Scheduled(scheduled_time=due))
        assert await skip_missed(client, deployment_id) == 0

    with_client(prefect_server, work)

"""The flow against a real Prefect server: what one sees in its UI."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from uuid import UUID

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
    LogFilter,
    LogFilterFlowRunId,
    TaskRunFilter,
)
from prefect.context import refresh_global_settings_context

from ingestion.demo.faults import Fault, FaultKind
from ingestion.departments import resolve_all
from orchestration.flow import weather_hourly_pipeline
from orchestration.runs.deployment import register_deployment
from orchestration.settings import ROOT
from orchestration.snapshots.snapshots import kept_snapshots, served_snapshot

pytestmark = pytest.mark.xdist_group("prefect")


@pytest.fixture
def client(prefect_server):
    # In the process's own settings, not in a context of this thread: dbt logs from threads of its own.
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PREFECT_API_URL", prefect_server)
        refresh_global_settings_context()
        with get_client(sync_client=True) as client:
            yield client
    refresh_global_settings_context()


@pytest.fixture
def flow(client, monkeypatch):
    monkeypatch.setenv("MAX_ATTEMPTS", "1")
    return lambda *arguments, **options: weather_hourly_pipeline(*arguments, return_state=True, **options)


def run_of(client, state):
    return client.read_flow_run(state.state_details.flow_run_id)


def task_runs_of(client, run):
    only = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
    return client.read_task_runs(flow_run_filter=only, task_run_filter=TaskRunFilter(flow_run_id=None))


def until(find, enough, seconds=30):
    """Prefect sends logs and task events behind the run's back: ask until they are there."""
    deadline = time.monotonic() + seconds
    while not enough(found := find()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def logs_of(client, run, last):
    find = lambda: client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id])), limit=200)  # noqa: E731
    logs = until(find, lambda logs: any(last in log.message for log in logs))
    return "\n".join(log.message for log in logs)


def test_a_run_shows_its_snapshot_its_tasks_its_row_counts_and_one_artifact(client, flow, published, later):
    later()
    state = flow("9")
    run = run_of(client, state)
    served = served_snapshot(published)
    assert (run.state.type.value, run.state.name, run.name) == ("COMPLETED", "Completed", "Ariège (9)")
    assert run.state.message.startswith(f"snapshot {served.id} published: ")
    assert (served.sequence, UUID(served.run_id)) == (2, run.id)

    names = {"ingest station list", "ingest Ariège (9)", "dbt build", "publish"}
    tasks = until(lambda: task_runs_of(client, run), lambda found: {task.name for task in found} >= names)
    assert sorted(task.name for task in tasks) == sorted(names)

    logs = logs_of(client, run, last=f"snapshot {served.id} published: ")
    assert "Ariège (9): 19" in logs
    assert " rows seen: " in logs
    assert "dbt: success model hourly_observations (" in logs
    assert "dbt: pass test assert_hours_are_conserved (" in logs

    found = client.read_artifacts(artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id])))
    assert [artifact.key for artifact in found] == ["weather-hourly-summary"]
    for part in (served.id, "| Ariège (9) | 19", "| hourly_observations | model | success |"):
        assert part in found[0].data


@pytest.mark.parametrize("dept", ["9", "Ariège", ["09"], "ariege, 9"])
def test_without_news_a_run_ends_as_no_new_data_however_the_department_is_written(client, flow, published, dept):
    run = run_of(client, flow(dept))
    assert (run.state.type.value, run.state.name, run.name) == ("COMPLETED", "NoNewData", "Ariège (9)")
    assert run.state.message.startswith(f"nothing new; snapshot {served_snapshot(published).id} stays served")
    assert len(kept_snapshots(published)) == 1


def test_several_departments_are_several_tasks_and_one_that_fails_does_not_stop_the_other(
    client, flow, published, upstream
):
    upstream.reset(Fault(FaultKind.FORBIDDEN, department="65", times=None))
    run = run_of(client, flow(["9", "31", "65"]))
    assert (run.state.name, run.name) == ("Completed", "Ariège (9), Haute-Garonne (31), Hautes-Pyrénées (65)")
    assert "; not loaded: Hautes-Pyrénées (65) (this token has no subscription to the API" in run.state.message
    assert served_snapshot(published).departments == ["9", "31"]
    names = {"ingest Ariège (9)", "ingest Haute-Garonne (31)", "ingest Hautes-Pyrénées (65)"}
    tasks = until(lambda: task_runs_of(client, run), lambda found: {task.name for task in found} >= names)
    assert {task.name for task in tasks if task.state and task.state.is_failed()} == {"ingest Hautes-Pyrénées (65)"}


def test_a_run_that_can_fetch_nothing_fails_with_the_reason(client, flow, published, upstream):
    upstream.reset(Fault(FaultKind.UNAUTHORIZED, times=None))
    run = run_of(client, flow("9"))
    assert run.state.type.value == "FAILED"
    assert run.state.message.startswith("nothing could be fetched: station list: Météo-France's token was refused")
    assert len(kept_snapshots(published)) == 1


def test_a_run_for_no_department_fails_with_suggestions(client, flow, published, upstream):
    run = run_of(client, flow("Arièje"))
    assert (run.state.type.value, run.name) == ("FAILED", "unknown département")
    assert "“Arièje” is not a département: did you mean 9 (Ariège)" in run.state.message
    assert upstream.requests == []


def test_a_failing_dbt_test_fails_the_run_with_the_nodes_name(client, flow, published, later, spoil_raw):
    later()
    spoil_raw()
    run = run_of(client, flow("9"))
    assert run.state.type.value == "FAILED"
    assert "assert_hours_are_conserved" in run.state.message
    assert served_snapshot(published).sequence == 1


@pytest.fixture
def serve(prefect_server, published, upstream, tmp_path):
    """Start `--mode serve` and wait until it says that it serves.

    It is asked for no run: without a profile its rehearsal of one, which takes longer than all the rest, ends at once.
    """
    started = []

    def start(*arguments):
        environment = {
            **os.environ,
            **upstream.environment,
            "DATA_DIR": str(published.root),
            "PREFECT_API_URL": prefect_server,
            "SCHEDULE_CRON": "17 3 * * *",
            "DBT_PROFILES_DIR": str(tmp_path),
        }
        command = [sys.executable, str(ROOT / "orchestration" / "flow_prefect.py"), "--mode", "serve", *arguments]
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
        )
        started.append(process)
        for line in process.stdout:
            if "serving weather-hourly-deployment" in line:
                return process
        pytest.fail("it ended before it served")

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_served_deployment_has_its_schedule_department_and_limit_and_keeps_them_over_a_restart(
    client, serve, published, prefect_server
):
    def deployment():
        return client.read_deployment_by_name("weather_hourly_pipeline/weather-hourly-deployment")

    def is_there():
        try:
            return bool(deployment().schedules)
        except Exception:
            return False

    def check(dept):
        parameters = {"dept": dept}
        assert until(lambda: is_there() and deployment().parameters, [parameters].count) == parameters
        found = deployment()
        assert [(schedule.schedule.cron, schedule.active) for schedule in found.schedules] == [("17 3 * * *", True)]
        assert found.global_concurrency_limit.limit == 1
        assert found.concurrency_options.collision_strategy.value == "ENQUEUE"
        assert not found.paused

    process = serve("--dept", "Ariège")
    check("9")
    process.send_signal(signal.SIGTERM)
    assert process.wait(180) in (0, -signal.SIGTERM)
    check("9")

    async def register_again():
        """What the next start does first; all it would do then is to preload for runs that nobody asks for."""
        async with PrefectClient(prefect_server) as client:
            await register_deployment(client, "17 3 * * *", resolve_all(["31"]), published.root)

    asyncio.run(register_again())
    check("31")

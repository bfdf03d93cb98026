"""Promise 4: whatever becomes of Prefect's server, a run ends in a true state, runs once, and the schedule goes on.

A service killed in the middle of a run, a server killed at rest: tests/api/test_life_cycle.py, in `make test`.
"""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil
import pytest
from run_fixtures import query_file
from running_service import ENDED, RunningService, free_port
from upstream import Upstream
from victim import Victim

from ingestion.paths import DataPaths
from orchestration.progress import Record, read_records
from orchestration.settings import ROOT
from orchestration.snapshots.snapshots import kept_snapshots, served_snapshot

pytestmark = [pytest.mark.xdist_group("faults-warm"), pytest.mark.slow, pytest.mark.timeout(1800)]

Tally = Callable[[str], None]
FAKETIME = next(Path("/usr/lib").glob("**/libfaketime.so.1"), None)

# When, in a run, it happens: once this has been recorded of it.
PHASES = ("asked for", "packet", "node", "summary")


@pytest.fixture(scope="module")
def service(
    two_runs: Path, upstream_server: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    data_dir = tmp_path_factory.mktemp("prefect-attacked") / "data"
    shutil.copytree(two_runs, data_dir, symlinks=True)
    upstream_server.reset()
    url = f"http://127.0.0.1:{free_port()}/api"
    running = RunningService(data_dir, url, RATE_LIMIT_CHANGES="999/minute", **upstream_server.environment)
    running.until_ready()
    yield running
    running.stop()


def server_of(service: RunningService) -> psutil.Process:
    family = psutil.Process(service.process.pid).children(recursive=True)
    return next(process for process in family if "orchestration.prefect_server" in process.cmdline())


def records_of(service: RunningService, run_id: str) -> list[Record]:
    return read_records(DataPaths(service.data_dir), run_id)


def until_phase(service: RunningService, run_id: str, phase: str) -> None:
    if phase != "asked for":
        service.until(lambda: any(r["kind"] == phase for r in records_of(service, run_id)), f"{phase} of {run_id}")


def kill(service: RunningService) -> None:
    server_of(service).kill()


def hang(service: RunningService) -> None:
    """It takes no request any more; the service is to end it, and start another."""
    hung = server_of(service)
    hung.send_signal(signal.SIGSTOP)
    service.until(lambda: not hung.is_running() or hung.status() == psutil.STATUS_ZOMBIE, "the end of the hung server")


def lock(service: RunningService) -> None:
    """Another program holds its database for longer than it waits."""
    holder = sqlite3.connect(service.data_dir / "prefect" / "prefect.db", isolation_level=None, timeout=30)
    holder.execute("begin exclusive")
    time.sleep(25)
    holder.close()


def empty(service: RunningService) -> None:
    """It comes back with an empty database."""
    server_of(service).kill()
    for file in (service.data_dir / "prefect").glob("prefect.db*"):
        file.unlink()


ATTACKS = [(attack, phase) for attack in (kill, hang, lock) for phase in PHASES]


def is_planned(service: RunningService) -> bool:
    """Whether Prefect itself plans automatic runs to come."""
    ahead = {
        "expected_start_time": {"after_": datetime.now(UTC).isoformat()},
        "state": {"type": {"any_": ["SCHEDULED"]}},
    }
    answer = httpx.post(f"{service.prefect_url}/flow_runs/count", json={"flow_runs": ahead}, timeout=60)
    return int(answer.json()) > 0


def check_goes_on(service: RunningService) -> None:
    service.until_ready()
    following = service.until(lambda: trigger(service), "a run taken on")
    ended = service.until_ended(following)
    assert ended["state"]["type"] == "COMPLETED", ended
    assert service.http.get("/schedule").json()["active"]
    service.until(lambda: is_planned(service), "runs planned by Prefect")


def trigger(service: RunningService) -> str | None:
    answer = service.http.post("/runs?dept=9&full=true")
    return answer.json()["id"] if answer.status_code == 202 else None


def check_true(service: RunningService, run_id: str) -> str:
    """How the run is told to have ended is how it ended; it ran once at most."""
    paths = DataPaths(service.data_dir)

    def ended() -> str | None:
        state = service.http.get(f"/runs/{run_id}").json().get("state", {})
        return state["type"] if state.get("type") in ENDED else None

    state = service.until(ended, f"the end of {run_id}")
    kinds = [record["kind"] for record in records_of(service, run_id)]
    published = [manifest for manifest in kept_snapshots(paths) if manifest.run_id == run_id]
    assert kinds.count("dbt") <= 1, "it ran twice"
    assert len(published) <= 1
    assert (state == "COMPLETED") == ("summary" in kinds), (state, kinds[-3:])
    assert (state == "COMPLETED") == bool(published), (state, published)
    return str(state)


@pytest.mark.parametrize(("attack", "phase"), ATTACKS, ids=[f"{a.__name__}-{p.replace(' ', '-')}" for a, p in ATTACKS])
def test_a_run_ends_in_a_true_state_and_the_schedule_goes_on(
    service: RunningService, tally: Tally, attack: Callable[[RunningService], None], phase: str
) -> None:
    service.until_ready()
    run_id = service.until(lambda: trigger(service), "a run taken on")
    until_phase(service, run_id, phase)
    attack(service)
    service.until_ready()
    state = check_true(service, run_id)
    check_goes_on(service)
    tally(f"1 attack; the run ended {state}")


def test_a_server_that_comes_back_empty_learns_the_schedule_anew(service: RunningService, tally: Tally) -> None:
    """The run is unknown then; nothing of it stays behind, and the warehouse is whole."""
    service.until_ready()
    run_id = service.until(lambda: trigger(service), "a run taken on")
    until_phase(service, run_id, "node")
    empty(service)
    check_goes_on(service)
    assert service.http.get(f"/runs/{run_id}").status_code == 404
    served = served_snapshot(DataPaths(service.data_dir))
    for table, rows in served.row_counts.items():
        assert query_file(service.data_dir / "warehouse.duckdb", f"select count(*) from {table}") == [(rows,)]
    tally("1 attack in the middle of a run")


def start_server(url: str, home: Path, **environment: str) -> subprocess.Popen[bytes]:
    """A Prefect server that is not the service's own."""
    told = {**os.environ, "PREFECT_API_URL": url, "DATA_DIR": str(home), **environment}
    with (home.parent / "prefect.log").open("ab") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "orchestration.prefect_server"], cwd=ROOT, env=told, stdout=log, stderr=log
        )
    deadline = time.monotonic() + 180
    while True:
        try:
            if httpx.get(f"{url}/health", timeout=5).json() is True:
                return server
        except httpx.HTTPError:
            assert time.monotonic() < deadline, (home.parent / "prefect.log").read_text()[-3000:]
            time.sleep(0.3)


def test_somebody_elses_server_that_was_replaced_by_an_empty_one_learns_the_schedule_anew(
    victim: Victim, tmp_path: Path, tally: Tally
) -> None:
    """Too quickly for anybody to see it gone."""
    url = f"http://127.0.0.1:{free_port()}/api"
    (tmp_path / "theirs").mkdir()
    server = start_server(url, tmp_path / "theirs" / "a")
    service = RunningService(victim.paths.root, url, **victim.upstream.environment)
    try:
        service.until_ready()
        server.kill()
        server.wait()
        server = start_server(url, tmp_path / "theirs" / "b")
        check_goes_on(service)
    finally:
        service.stop()
        server.terminate()
        server.wait()
    tally("1 server replaced by an empty one")


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed")
@pytest.mark.parametrize("offset", ["+1h"])  # a server that is behind lets runs wait until it is their time
def test_a_server_whose_clock_is_wrong_runs_what_is_asked(
    victim: Victim, tmp_path: Path, tally: Tally, offset: str
) -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    (tmp_path / "theirs").mkdir()
    wrong = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    server = start_server(url, tmp_path / "theirs" / "a", **wrong)
    service = RunningService(victim.paths.root, url, **victim.upstream.environment)
    try:
        service.until_ready()
        run = service.trigger("dept=9&full=true")
        assert service.until_ended(run["id"])["state"]["type"] == "COMPLETED"
        assert (
            json.loads((victim.paths.published.resolve().parent / "manifest.json").read_text())["run_id"] == run["id"]
        )
        check_true(service, run["id"])
    finally:
        service.stop()
        server.terminate()
        server.wait()
    tally(f"clock {offset}: 1 run")


def test_a_machine_that_slept_makes_up_for_it_by_one_run(victim: Victim, tally: Tally) -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    settings = {"SCHEDULE_CRON": "* * * * *", **victim.upstream.environment}
    service = RunningService(victim.paths.root, url, **settings)
    try:
        service.until_ready()
        family = [psutil.Process(service.process.pid), *service.processes()]
        asleep = datetime.now(UTC)
        for process in family:
            process.suspend()
        time.sleep(190)  # three runs come due
        for process in reversed(family):
            process.resume()
        awake = datetime.now(UTC)

        def due_while_asleep() -> list[str]:
            runs = service.http.get("/runs", params={"limit": 20}).json()["runs"]
            return [run["state"]["name"] for run in runs if asleep < datetime.fromisoformat(run["due_at"]) < awake]

        def is_settled() -> bool:
            return len(due_while_asleep()) >= 3 and not {"Scheduled", "Late", "Pending", "Running"} & {
                *due_while_asleep()
            }

        service.until(is_settled, "the end of what came due")
        states = due_while_asleep()
        assert states.count("Skipped") == len(states) - 1, states
        after = service.trigger("dept=9&full=true")
        assert service.until_ended(after["id"])["state"]["type"] == "COMPLETED"
    finally:
        service.stop()
    tally("slept for 190 s: 1 machine")

"""The life of a service with a Prefect server of its own: from nothing, killed, recovered, stopped."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from running_service import ROOT, RunningService, cores_of, free_port, until_gone

pytestmark = pytest.mark.xdist_group("life-cycle")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("life")


@pytest.fixture(scope="module")
def prefect_url() -> str:
    return f"http://127.0.0.1:{free_port()}/api"


def prefect_of(service: RunningService) -> psutil.Process:
    return next(p for p in service.processes() if "orchestration.prefect_server" in p.cmdline())


def reason_of(service: RunningService, words: str) -> str | None:
    """Why Prefect is not ready, once it is told in these words."""
    reason = service.http.get("/health/ready").json()["parts"]["prefect"]["reason"] or ""
    return reason if words in reason else None


def start_a_run(service: RunningService) -> str:
    run = service.trigger("dept=9&full=true")
    service.until(lambda: service.http.get(f"/runs/{run['id']}").json()["packets"], "the run's first packet")
    return run["id"]


def test_a_service_lives_is_killed_recovers_and_stops(folder: Path, prefect_url: str):
    service = RunningService(folder / "data", prefect_url, SHUTDOWN_SECONDS="0")

    # Reads are answered while Prefect is still starting, and what is not ready says so.
    service.until(lambda: service.http.get("/health/live").status_code == 200, "an answer")
    early = service.http.post("/runs?dept=9")
    assert early.status_code in (202, 503)

    # From nothing to a first snapshot without being asked, and a table that says where things are.
    service.until_ready()
    assert (folder / "data" / "warehouse.duckdb").exists()
    # The table is printed once Prefect's server has answered, which may be after the first run.
    service.until(lambda: "  Changes " in service.log.read_text(), "the table of addresses")
    table = service.log.read_text()
    for row in ("API", "Docs", "Prefect UI", "Source", "Départements", "Newest observation", "Next run", "Changes"):
        assert re.search(rf"^  {row} +\S", table, re.MULTILINE), row
    assert f"http://127.0.0.1:{service.port}/docs" in table
    service.http.patch("/schedule", json={"cron": "7 * * * *"})

    # Prefect's server is out of Ctrl-C's reach, and takes turns with readers as one session.
    server = prefect_of(service).pid
    assert (os.getpgid(server), os.getsid(server)) == (server, os.getsid(service.process.pid))

    # While nobody reads it uses all cores, but where somebody does it leaves them one when a run reports to it.
    every = frozenset(os.sched_getaffinity(0))
    all_but_the_first = every - {min(every)}
    assert set(cores_of(server)) == {every}
    assert service.http.get("/warehouse/latest?dept=9").status_code == 200
    killed = start_a_run(service)
    assert set(cores_of(server)) == {all_but_the_first or every}

    # kill -9 in the middle of a run: nothing of it lives on.
    family = service.processes()
    assert service.stop(signal.SIGKILL) == -signal.SIGKILL
    until_gone(family)

    # Where another program has taken Prefect's port meanwhile, the next start names it, and waits for the port.
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", urlsplit(prefect_url).port))
        taken.listen()
        service = RunningService(folder / "data", prefect_url, SHUTDOWN_SECONDS="0")
        reason = service.until(lambda: reason_of(service, "is taken by"), "the owner's name")
        assert f"process {os.getpid()}" in reason
        assert "PREFECT_API_URL" in reason

    # Then it says what became of the run, and serves the schedule as it was changed.
    service.until_ready()
    run = service.http.get(f"/runs/{killed}").json()
    assert run["state"]["type"] == "CRASHED"
    assert {task["state"]["type"] for task in run["tasks"]} <= {"COMPLETED", "CRASHED"}
    assert f"{killed}" in service.log.read_text()
    schedule = service.http.get("/schedule").json()
    assert (schedule["cron"], schedule["active"]) == ("7 * * * *", True)
    assert service.until_ended(service.trigger("dept=9&full=true")["id"])["state"]["type"] == "COMPLETED"

    # A Prefect server that is killed is replaced; reads go on meanwhile.
    lost = prefect_of(service)
    lost.kill()
    service.until(lambda: service.http.get("/health/ready").status_code == 503, "the loss being noticed")
    assert service.http.get("/health/live").status_code == 200
    service.until_ready()
    assert prefect_of(service).pid != lost.pid
    assert service.until_ended(service.trigger("dept=9&full=true")["id"])["state"]["type"] == "COMPLETED"

    # SIGTERM in the middle of a run: it is cancelled in order, and no process stays.
    cancelled = start_a_run(service)
    family = service.processes()
    assert service.stop() == 0
    until_gone(family)

    # What it left in Prefect is there for the next.
    with closing(sqlite3.connect(folder / "data" / "prefect" / "prefect.db")) as database:
        assert database.execute("select state_type from flow_run where id = ?", [cancelled]).fetchall() == [
            ("CANCELLED",)
        ]


def test_a_service_whose_port_is_taken_says_by_whom_and_starts_nothing(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        environment = os.environ | {"DATA_DIR": str(tmp_path / "data"), "API_PORT": str(port)}
        command = [sys.executable, "-m", "api"]
        ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert re.fullmatch(rf"error: http://\S+ is taken by process {os.getpid()} .*API_PORT={port + 1}\n", ended.stderr)
    assert not (tmp_path / "data").exists()


@pytest.mark.slow
def test_of_four_workers_one_leads_and_another_follows_it(folder: Path, tmp_path: Path):
    url = f"http://127.0.0.1:{free_port()}/api"
    service = RunningService(tmp_path / "data", url, "--workers", "4")
    service.until_ready()
    leader = tmp_path / "data" / "service" / "leader.json"
    first = json.loads(leader.read_text())["pid"]
    run = service.trigger("dept=9&full=true")
    assert service.until_ended(run["id"])["state"]["type"] == "COMPLETED"
    os.kill(first, signal.SIGKILL)
    service.until(lambda: json.loads(leader.read_text())["pid"] != first, "another leader")
    service.until(lambda: service.http.post("/runs?dept=31").status_code == 202, "a run taken on")
    service.until(
        lambda: (
            (ended := service.http.get("/runs?dept=31").json()["runs"]) and ended[0]["state"]["type"] == "COMPLETED"
        ),
        "the new leader's run",
    )
    family = service.processes()
    assert service.stop() == 0
    until_gone(family)


@pytest.mark.slow
def test_the_schedule_fires_each_minute(tmp_path: Path):
    url = f"http://127.0.0.1:{free_port()}/api"
    service = RunningService(tmp_path / "data", url, SCHEDULE_CRON="* * * * *")
    service.until_ready()

    def automatic() -> bool:
        runs = service.http.get("/runs?state=COMPLETED").json()["runs"]
        return len([run for run in runs if run["is_scheduled"]]) >= 3

    deadline = time.monotonic() + 600
    while not automatic():
        assert time.monotonic() < deadline
        time.sleep(2)
    assert service.stop() == 0


@pytest.mark.slow  # what it shares with the service is shown there
def test_serving_without_http_runs_what_is_asked_of_it(tmp_path: Path):
    environment = {
        **os.environ,
        "DATA_DIR": str(tmp_path / "data"),
        "PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api",
    }
    command = [sys.executable, "orchestration/flow_prefect.py", "--mode", "serve", "--dept", "9"]
    log = tmp_path / "serve.log"
    with log.open("wb") as output:
        serving = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    deadline = time.monotonic() + 180
    while not (tmp_path / "data" / "warehouse.duckdb").exists():
        assert serving.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
    family = psutil.Process(serving.pid).children(recursive=True)
    serving.send_signal(signal.SIGTERM)
    assert serving.wait(60) == 0
    until_gone(family)
    assert "serving weather-hourly-deployment: Ariège (9)" in log.read_text()

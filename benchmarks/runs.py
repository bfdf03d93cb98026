"""Runs: through the service, the classic way, without an orchestrator, as bare SQL; one after another, each round."""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

import httpx

from benchmarks.prefect_ui import prefect_ui
from benchmarks.processes import (
    PATIENCE,
    ROOT,
    environment,
    free_port,
    is_ready,
    next_hour,
    running,
    running_service,
    running_upstream,
    until,
)
from benchmarks.report import Report

# How often `serve` asks for runs unless told otherwise.
CLASSIC_POLL_SECONDS = 10

ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
Measured = Mapping[str, float]


def measure_runs(report: Report, *, rounds: int, classic_rounds: int, dept: str = "9") -> None:
    """Trigger to RUNNING, to published, to done; with an hour that is new, and with nothing new."""
    name = "France" if dept == "all" else "département"
    print(f"Runs for {'all of France' if dept == 'all' else 'one département'}", flush=True)
    taken: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="girouette-bench-") as folder, ExitStack() as stack:
        upstream = stack.enter_context(running_upstream(Path(folder), hours_back=rounds + 2))
        contestants = _contestants(stack, Path(folder), upstream, dept)
        for contestant in contestants.values():  # a first run makes everything; it is not counted
            contestant()
        for round_number in range(rounds):
            next_hour(upstream)
            for way, contestant in contestants.items():
                if way != "classic" or round_number < classic_rounds:
                    for quantity, seconds in contestant().items():
                        taken[f"{way} {quantity}"].append(seconds)
            for way in ("service", "floor"):  # asked again: upstream has nothing new
                for quantity, seconds in contestants[way]().items():
                    taken[f"{way} unchanged {quantity}"].append(seconds)
    for quantity, values in taken.items():
        report.add(f"{name}: {quantity}", "s", values)
    suffix = "_france" if dept == "all" else ""
    published = taken["service published"]
    report.compare(f"published_vs_floor{suffix}", published, taken["floor published"], at_most=1.5)
    report.compare(f"published_vs_sql{suffix}", published, taken["sql published"], at_most=6)
    report.compare(f"classic_vs_published{suffix}", taken["classic published"], published, at_least=10)


def _contestants(stack: ExitStack, folder: Path, upstream: str, dept: str) -> Mapping[str, Callable[[], Measured]]:
    prefect = f"http://127.0.0.1:{free_port()}/api"

    def settings(way: str) -> dict[str, str]:
        return environment(folder / way, upstream, prefect) | {"CLASSIC_DEPT": dept}

    client, _ = stack.enter_context(running_service(folder / "service", settings("service")))
    until(lambda: is_ready(client), "the service")
    classic = settings("classic")
    classic |= {"DBT_TARGET_PATH": f"{folder / 'classic'}/target", "DBT_LOG_PATH": f"{folder / 'classic'}/logs"}
    _compile_bytecode(classic)
    stack.enter_context(
        running(["-m", "benchmarks.classic_flow", classic["DATA_DIR"]], classic, folder / "classic.log")
    )
    deployment = until(lambda: _deployment(prefect), "the classic deployment", pause=0.5)
    asked = stack.enter_context(prefect_ui(prefect))
    floor = stack.enter_context(_line_server("benchmarks.floor", settings("floor")))
    sql = stack.enter_context(_line_server("benchmarks.compiled_sql", settings("sql")))
    return {
        "service": lambda: through_service(client, folder / "service", dept),
        "classic": lambda: _classic(asked, deployment, folder / "classic"),
        "floor": lambda: {"published": floor(dept)},
        "sql": lambda: {"published": sql(dept)},
    }


def through_service(client: httpx.Client, data_dir: Path, dept: str = "9") -> Measured:
    """Trigger one run and follow it; `published` only when it published."""
    before, pointer = _target(data_dir), data_dir / "warehouse.duckdb"
    started, clock = time.perf_counter(), time.time()
    answer = client.post("/runs", params={"dept": dept})
    answer.raise_for_status()
    run_id, taken = answer.json()["id"], {}
    # Waited for by the pointer and the run's own record: asking Prefect all the time would slow down what is measured.
    record = data_dir / "runs" / f"{run_id}.jsonl"
    while time.perf_counter() - started < PATIENCE:
        if "published" not in taken and pointer.exists() and _target(data_dir) != before:
            taken["published"] = time.perf_counter() - started
        if record.exists() and b'"kind": "summary"' in record.read_bytes():
            break
        time.sleep(0.005)
    run = until(lambda: if_ended(client.get(f"/runs/{run_id}").json()), "the end of the run", pause=0.02)
    states = {state["type"]: datetime.fromisoformat(state["at"]).timestamp() - clock for state in run["history"]}
    if "COMPLETED" not in states:
        raise RuntimeError(f"the run ended {run['state']}")
    return {"running": states["RUNNING"], **taken, "done": states["COMPLETED"]}


def _classic(client: httpx.Client, deployment: str, data_dir: Path) -> Measured:
    # At any moment between two of its polls, not always as long after the last run.
    time.sleep(random.uniform(0, CLASSIC_POLL_SECONDS))
    started = time.time()
    run = client.post(f"/deployments/{deployment}/create_flow_run", json={}).json()["id"]
    until(lambda: client.get(f"/flow_runs/{run}").json()["state_type"] in ENDED, "the classic run", pause=0.5)
    states = client.get("/flow_run_states/", params={"flow_run_id": run}).json()
    at = {state["type"]: datetime.fromisoformat(state["timestamp"]).timestamp() - started for state in states}
    if "COMPLETED" not in at:
        raise RuntimeError(f"the classic run ended {states[-1]}")
    return {"running": at["RUNNING"], "published": (data_dir / "warehouse.duckdb").stat().st_mtime - started}


def _deployment(prefect: str) -> str | None:
    answer = httpx.get(f"{prefect}/deployments/name/weather-classic/classic")
    return answer.json()["id"] if answer.status_code == 200 else None


def _compile_bytecode(env: Mapping[str, str]) -> None:
    """Compile our own code too, so that no contestant pays for it."""
    folders = ["api", "orchestration", "ingestion", "benchmarks"]
    subprocess.run([sys.executable, "-m", "compileall", "-q", *folders], cwd=ROOT, env=dict(env), check=True)


@contextmanager
def _line_server(module: str, env: Mapping[str, str]) -> Iterator[Callable[[str], float]]:
    """A warm process that does one run for each line it is sent, and answers with the seconds it took."""
    log = Path(env["DATA_DIR"]).with_suffix(".log").open("ab")
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        cwd=ROOT,
        env=dict(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
    )

    def ask(line: str) -> float:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(line.encode() + b"\n")
        process.stdin.flush()
        return float(json.loads(process.stdout.readline())["seconds"])

    yield ask
    process.communicate()
    log.close()


def _target(data_dir: Path) -> str | None:
    try:
        return str((data_dir / "warehouse.duckdb").readlink())
    except OSError:
        return None


def if_ended(run: dict) -> dict | None:  # type: ignore[type-arg]
    """The run as the service tells it, once it has ended."""
    return run if run["state"]["type"] in ENDED else None

"""What the service costs while nothing happens, and how long it takes to start."""

import tempfile
import time
from functools import partial
from pathlib import Path

import httpx
import psutil

from benchmarks.processes import (
    environment,
    family,
    free_port,
    is_ready,
    megabytes,
    running_service,
    running_upstream,
    until,
)
from benchmarks.report import Report

SETTLE_SECONDS = 20


def measure_idle(report: Report, *, rounds: int, minutes: int) -> None:
    """Start the service on an empty directory and on one with a snapshot; then weigh it at rest."""
    print("Start, and at rest", flush=True)
    answers, snapshots, readiness = [], [], []
    with (
        tempfile.TemporaryDirectory(prefix="girouette-bench-") as folder,
        running_upstream(Path(folder), 1) as upstream,
    ):
        for number in range(rounds):
            data_dir = Path(folder) / str(number)
            started = time.perf_counter()
            prefect = f"http://127.0.0.1:{free_port()}/api"
            with running_service(data_dir, environment(data_dir, upstream, prefect)) as (client, process):
                until(partial(_is_live, client), "an answer")
                answers.append(time.perf_counter() - started)
                until((data_dir / "warehouse.duckdb").exists, "a snapshot")
                snapshots.append(time.perf_counter() - started)
                until(partial(is_ready, client), "readiness")
                readiness.append(time.perf_counter() - started)
                if number == rounds - 1:
                    time.sleep(SETTLE_SECONDS)
                    _weigh(report, process, minutes)
    report.add("cold start to the first answer", "s", answers)
    report.add("cold start to the first snapshot", "s", snapshots)
    report.add("cold start to every part ready", "s", readiness)


def _weigh(report: Report, process: psutil.Process, minutes: int) -> None:
    shares, before = [], _seconds_of_cpu(process)
    for _ in range(minutes):
        time.sleep(60)
        now = _seconds_of_cpu(process)
        shares.append((now - before) / 60 * 100)
        before = now
    report.add("at rest: CPU, share of one core", "%", shares)
    parts = {"API and worker": [process], "Prefect server": [], "forkserver": []}
    for child in process.children(recursive=True):
        is_server = "orchestration.prefect_server" in child.cmdline()
        parts["Prefect server" if is_server else "forkserver"].append(child)
    for name, processes in parts.items():
        report.add(f"at rest: memory, {name}", "MB", [megabytes(processes)])
    total = megabytes(family(process))
    report.add("at rest: memory, all", "MB", [total])
    report.compare("idle_memory_vs_750_mb", [total], [750], at_most=1)
    report.compare("idle_cpu_vs_3_percent", shares, [3.0] * len(shares), at_most=1)


def _is_live(client: httpx.Client) -> bool:
    return client.get("/health/live").status_code == 200


def _seconds_of_cpu(process: psutil.Process) -> float:
    times = [member.cpu_times() for member in family(process)]
    return float(sum(t.user + t.system for t in times))

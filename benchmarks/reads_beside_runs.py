"""Reads through the service while it serves a run for all of France: Prefect's server, the run and readers together."""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from benchmarks.processes import (
    environment,
    free_port,
    is_ready,
    next_hour,
    running_service,
    running_upstream,
    until,
)
from benchmarks.reads import add_loads, load, pause_script
from benchmarks.report import Report
from benchmarks.runs import if_ended, through_service

_SECONDS = 5  # what such a run takes: from the trigger until the new snapshot is served


def measure_reads_beside_runs(report: Report, *, rounds: int) -> None:
    """Compare readers who pause between two requests, during a run and at rest."""
    print("Reads beside runs", flush=True)
    with tempfile.TemporaryDirectory(prefix="girouette-bench-") as folder:
        data_dir = Path(folder) / "service"
        with running_upstream(Path(folder), hours_back=rounds + 2) as upstream:
            env = environment(data_dir, upstream, f"http://127.0.0.1:{free_port()}/api")
            with running_service(data_dir, env | {"RATE_LIMIT_READS": "9999999/minute"}) as (client, _):
                until(lambda: is_ready(client), "the service")
                through_service(client, data_dir, "all")
                _measure(report, client, upstream, pause_script(Path(folder)), rounds)


def _measure(report: Report, client: httpx.Client, upstream: str, pause: Path, rounds: int) -> None:
    address = f"{client.base_url}/warehouse/latest?dept=9"
    load(address, pause, seconds=1)  # the first reads of all make ready what the others find
    rest, beside = [], []
    for _ in range(rounds):
        rest.append(load(address, pause, seconds=_SECONDS))
        next_hour(upstream)
        run = client.post("/runs", params={"dept": "all"}).raise_for_status().json()["id"]
        beside.append(load(address, pause, seconds=_SECONDS))
        ended = until(partial(_if_ended, client, run), "the end of the run", pause=0.5)
        if ended["state"]["type"] != "COMPLETED":
            raise RuntimeError(f"the run ended {ended['state']}")
    add_loads(report, "latest through the service, with pauses", rest)
    add_loads(report, "latest through the service, with pauses, beside a run for all of France", beside)
    pair = [r.p99_ms for r in beside], [r.p99_ms for r in rest]
    report.compare("read_p99_beside_run_vs_rest: all of France, with pauses", *pair, at_most=2)


def _if_ended(client: httpx.Client, run: str) -> Any:
    return if_ended(client.get(f"/runs/{run}").json())

"""Processes under measurement: started apart, stopped by their pid, weighed with what they started."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.upstream import TOKEN

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 600


def free_port() -> int:
    """Find a port nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def environment(data_dir: Path, upstream: str, prefect: str) -> dict[str, str]:
    """Give a process its own data directory and the benchmark's upstream; compiled bytecode is written and used."""
    ours = ("METEOFRANCE_", "PREFECT_", "DBT_", "API_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {
        "DATA_DIR": str(data_dir),
        "DBT_PROFILES_DIR": str(ROOT / "profiles"),
        "DEPTS": "9",
        "METEOFRANCE_URL": upstream,
        "METEOFRANCE_TOKEN": TOKEN,
        "METEOFRANCE_SOURCE": "meteofrance",
        "REQUESTS_PER_MINUTE": "600",
        "PREFECT_API_URL": prefect,
        "DO_NOT_TRACK": "1",
        "RATE_LIMIT_CHANGES": "9999/minute",
        "SCHEDULE_CRON": "59 23 31 12 *",  # nothing runs but what is asked for
    }


@contextmanager
def running(
    command: list[str], env: Mapping[str, str], log: Path, *, cwd: Path = ROOT
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program of this Python until the block ends."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen([sys.executable, *command], cwd=cwd, env=dict(env), stdout=output, stderr=output)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(60)


@contextmanager
def running_upstream(folder: Path, hours_back: int) -> Iterator[str]:
    """Run the source; give its address, to which the service adds `/v2/…`."""
    port = free_port()
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with running(["-m", "benchmarks.upstream", str(port), str(hours_back)], env, folder / "upstream.log"):
        until(lambda: httpx.get(f"http://127.0.0.1:{port}/").status_code, "the source")
        yield f"http://127.0.0.1:{port}/public/DPPaquetObs"


def next_hour(upstream: str) -> None:
    """Let the source have one more hour."""
    httpx.post(upstream.replace("/public/DPPaquetObs", "/clock"), timeout=60).raise_for_status()


@contextmanager
def running_service(data_dir: Path, env: Mapping[str, str]) -> Iterator[tuple[httpx.Client, psutil.Process]]:
    """Run the service; give a client of it and its process."""
    port = free_port()
    command = ["-m", "uvicorn", "api.main:app", "--port", str(port), "--no-access-log"]
    with (
        running(command, env, data_dir / "service.log") as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        yield client, psutil.Process(process.pid)


def until(is_so: Callable[[], Any], what: str, *, pause: float = 0.05, patience: float = PATIENCE) -> Any:
    """Wait for something and return it."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            if found := is_so():
                return found
        except httpx.TransportError:
            pass
        time.sleep(pause)
    raise TimeoutError(f"never came: {what}")


def is_ready(client: httpx.Client) -> bool:
    """Whether the service has a snapshot, a Prefect server, a warm worker."""
    return client.get("/health/ready").status_code == 200


def family(process: psutil.Process) -> list[psutil.Process]:
    """The process and everything it started."""
    return [process, *process.children(recursive=True)]


def megabytes(processes: list[psutil.Process]) -> float:
    """What the processes take, each page once, even when other programs have the same files in memory.

    Anonymous memory by its proportional share, as only forks share it; of each part of a file the most that one of
    them holds.
    """
    anonymous, most = 0, Counter[tuple[str, str]]()
    for process in processes:
        rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        anonymous += 1024 * int(re.findall(r"^Pss_Anon: +(\d+) kB$", rollup, re.MULTILINE)[0])
        files = Counter[tuple[str, str]]()
        for mapped in process.memory_maps(grouped=False):
            files[mapped.path, mapped.perms] += mapped.rss - mapped.anonymous
        most |= files
    return (anonymous + most.total()) / 1e6

"""`python -m benchmarks.server_stalls`: the longest silence of Prefect's server, without and with our work-around."""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from benchmarks.prefect_ui import prefect_ui

_WRITERS = 6
_PLAIN = """
from orchestration.prefect_server import __main__ as server
server.collect_in_a_thread = lambda: None
server.main()
"""


def main() -> None:
    """Print one line per server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=120)
    options = parser.parse_args()
    for name, command in (("without", ["-c", _PLAIN]), ("with", ["-m", "orchestration.prefect_server"])):
        silence, requests = measure(command, options.seconds)
        print(f"{name}: longest answer of /health {silence:.2f} s beside {requests} writes")


def measure(command: list[str], seconds: int) -> tuple[float, int]:
    """Return the longest answer in seconds and how many writes there were."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/api"
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("wb") as log:
        environment = os.environ | {"DATA_DIR": folder, "PREFECT_API_URL": url}
        server = subprocess.Popen([sys.executable, *command], env=environment, stdout=log, stderr=log)
        try:
            _wait_for(url)
            return _load(url, seconds)
        finally:
            server.terminate()
            server.wait()


def _wait_for(url: str) -> None:
    for _ in range(240):
        try:
            if httpx.get(f"{url}/health", timeout=2).json() is True:
                return
        except (httpx.HTTPError, ValueError):
            time.sleep(0.5)
    raise TimeoutError(url)


def _load(url: str, seconds: int) -> tuple[float, int]:
    ends = time.monotonic() + seconds
    written = [0] * _WRITERS
    with prefect_ui(url) as client:
        flow = client.post("/flows/", json={"name": "stall"}).json()["id"]

    def write(number: int) -> None:
        with prefect_ui(url) as client:
            while time.monotonic() < ends:
                run = client.post("/flow_runs/", json={"flow_id": flow, "state": {"type": "PENDING"}})
                if run.is_success:
                    for state in ("RUNNING", "COMPLETED"):
                        client.post(f"/flow_runs/{run.json()['id']}/set_state", json={"state": {"type": state}})
                client.post("/flow_runs/filter", json={"limit": 50})
                written[number] += 3

    longest = 0.0
    done = threading.Event()
    with ThreadPoolExecutor(_WRITERS) as writers:
        for number in range(_WRITERS):
            writers.submit(write, number)
        while time.monotonic() < ends:
            began = time.monotonic()
            httpx.get(f"{url}/health", timeout=120)
            longest = max(longest, time.monotonic() - began)
            done.wait(0.05)
    return longest, sum(written)


if __name__ == "__main__":
    main()

"""The service as a process of its own, and clients that seem to come from anywhere."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import httpx
import psutil
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 180  # the machine may be busy; nothing here asserts how fast things are
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
KEY = "a-key-of-the-tests"  # of the service that tests share


class RunningService:
    """`python -m api` as a child process, and the ways to talk to it."""

    started: ClassVar[list["RunningService"]] = []

    def __init__(self, data_dir: Path, prefect_url: str, *options: str, **settings: str) -> None:
        self.data_dir = data_dir
        self.log = data_dir.parent / "service.log"
        self.port = free_port()
        self.prefect_url = prefect_url
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "API_"))}
        environment |= {
            "DATA_DIR": str(data_dir),
            "PREFECT_API_URL": prefect_url,
            "API_PORT": str(self.port),
            **settings,
        }
        command = [sys.executable, "-m", "api"]
        if options:  # uvicorn's own
            command = [sys.executable, "-m", "uvicorn", "api.main:app", "--port", str(self.port), *options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        self.started.append(self)
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)

    @classmethod
    def adopt(cls, process: "subprocess.Popen[bytes]", data_dir: Path, port: int, log: Path) -> "RunningService":
        """Talk to a service that was started in another way."""
        service = cls.__new__(cls)
        service.process, service.data_dir, service.port, service.log = process, data_dir, port, log
        service.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
        cls.started.append(service)
        return service

    def until(self, is_so: Callable[[], Any], what: str) -> Any:
        """Wait for something, patiently; a service that ends meanwhile is told at once."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                if found := is_so():
                    return found
            except httpx.TransportError:
                pass
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.1)
        pytest.fail(f"never came: {what}\n{self.log.read_text()[-5000:]}")

    def until_ready(self) -> None:
        self.until(lambda: self.http.get("/health/ready").status_code == 200, "readiness")

    def until_ended(self, run_id: str) -> dict[str, Any]:
        return self.until(lambda: _if_ended(self.http.get(f"/runs/{run_id}").json()), f"the end of run {run_id}")

    def trigger(self, query: str) -> dict[str, Any]:
        answer = self.http.post(f"/runs?{query}")
        assert answer.status_code == 202, answer.text
        return answer.json()

    def processes(self) -> list[psutil.Process]:
        """Every process that it started and that still runs."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE)


def until_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert not alive


def cores_of(pid: int) -> list[frozenset[int]]:
    """The cores that each of a process's threads may use."""
    return [frozenset(os.sched_getaffinity(int(thread.name))) for thread in Path(f"/proc/{pid}/task").iterdir()]


def _if_ended(run: dict[str, Any]) -> dict[str, Any] | None:
    return run if run["state"]["type"] in ENDED else None


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def client_from(address: str, app: FastAPI, host: str = "127.0.0.1:8000") -> TestClient:
    return TestClient(app, base_url=f"http://{host}", client=(address, 50_000), raise_server_exceptions=False)

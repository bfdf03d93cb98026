"""Hosts as processes with data folders of their own: Prefect on Postgres, workers without HTTP, readers."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
from postgres import Postgres, running_postgres
from running_service import PATIENCE, ROOT, free_port
from seaweed import Seaweed, running_seaweed

NEVER = "0 0 29 2 *"
SECRET = "admin:of-the-tests"


class Host:
    """One process, its data folder and its log."""

    def __init__(self, folder: Path, module: str, **settings: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.data, self.log = folder / "data", folder / "log"
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "API_"))}
        self._command = [sys.executable, "-m", module]
        self._environment = {**clean, "DATA_DIR": str(self.data), "SCHEDULE_CRON": NEVER, **settings}
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def cut_power(self) -> None:
        """kill -9 of all its processes at once."""
        own = psutil.Process(self.process.pid)
        for process in [own, *own.children(recursive=True)]:
            process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)


class Reader(Host):
    def __init__(self, folder: Path, **settings: str) -> None:
        port = str(free_port())
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
        super().__init__(folder, "api", ROLE="reader", API_PORT=port, **settings)

    def served(self) -> str | None:
        found = self.http.get("/warehouse/snapshots")
        return found.json()["served"] if found.status_code == 200 else None


class Hosts:
    """Two workers, two readers, Prefect on Postgres, and a store."""

    def __init__(self, folder: Path, seaweed: Seaweed, postgres: Postgres) -> None:
        self.seaweed, self.postgres = seaweed, postgres
        api = f"http://127.0.0.1:{free_port()}/api"
        secret = {"PREFECT_SERVER_API_AUTH_STRING": SECRET, "PREFECT_API_AUTH_STRING": SECRET}
        prefect = {"PREFECT_API_URL": api, **secret}
        store = {**seaweed.environment, "SHELF_URL": "s3://girouette/hosts"}
        self.prefect = Host(
            folder / "prefect",
            "orchestration.prefect_server",
            PREFECT_API_DATABASE_CONNECTION_URL=postgres.url,
            **prefect,
        )
        self.workers = [Host(folder / name, "api", ROLE="worker", **prefect, **store) for name in ("one", "two")]
        self.with_prefect = Reader(folder / "reader-one", **prefect, **store)
        self.alone = Reader(folder / "reader-two", **store)
        self.readers = [self.with_prefect, self.alone]
        self.prefect_http = httpx.Client(base_url=f"{api}/", auth=tuple(SECRET.split(":")), timeout=30)
        self.all: list[Host] = [self.prefect, *self.workers, *self.readers]

    def until(self, is_so: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if found := is_so():
                    return found
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        logs = "\n".join(f"== {host.log.parent.name}\n{host.log.read_text()[-3000:]}" for host in self.all)
        raise AssertionError(f"never came: {what}\n{logs}")

    def trigger(self, query: str = "dept=9&full=true") -> str:
        answer = self.until(
            lambda: (got := self.with_prefect.http.post(f"/runs?{query}")).status_code == 202 and got, "a run"
        )
        return answer.json()["id"]

    def run(self, run_id: str) -> dict[str, Any]:
        return self.prefect_http.get(f"flow_runs/{run_id}").json()

    def until_state(self, run_id: str, *types: str, seconds: float = PATIENCE) -> dict[str, Any]:
        return self.until(
            lambda: (run := self.run(run_id)).get("state_type") in types and run, f"{types} of {run_id}", seconds
        )

    def worker_of(self, run: dict[str, Any]) -> Host:
        name = run["labels"]["prefect.worker.name"]
        return next(host for host in self.workers if name in (host.data / "service" / "identity.json").read_text())

    def until_all_serve(self, other_than: str | None, seconds: float = PATIENCE) -> str:
        return self.until(
            lambda: (
                len(ids := {reader.served() for reader in self.readers}) == 1
                and ids != {other_than}
                and None not in ids
                and ids.pop()
            ),
            f"another snapshot than {other_than} at every reader",
            seconds,
        )


@contextmanager
def running_hosts(folder: Path) -> Iterator[Hosts]:
    with running_seaweed(folder / "seaweed") as seaweed, running_postgres() as postgres:
        hosts = Hosts(folder, seaweed, postgres)
        try:
            yield hosts
        finally:
            for http in (hosts.prefect_http, *(reader.http for reader in hosts.readers)):
                http.close()
            for host in reversed(hosts.all):
                host.stop()

"""Hosts as processes with data folders of their own: Prefect on Postgres, workers without HTTP, readers."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
from namespaces import Network, Place
from postgres import Postgres, running_postgres
from running_service import KEY, PATIENCE, ROOT, free_port
from seaweed import Seaweed, running_seaweed

NEVER = "0 0 29 2 *"
SECRET = "admin:of-the-tests"


class Host:
    """One process, its place, its data folder and its log."""

    def __init__(self, place: Place, folder: Path, module: str, **settings: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.place, self.name = place, folder.name
        self.data, self.log = folder / "data", folder / "log"
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "API_"))}
        self._command = place.command([sys.executable, "-m", module])
        self._environment = {**clean, "DATA_DIR": str(self.data), "SCHEDULE_CRON": NEVER, **settings}
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def cut_power(self) -> None:
        """kill -9 of all its processes at once."""
        self.signal(signal.SIGKILL)
        self.process.wait()

    def signal(self, number: int) -> None:
        """Send all its processes a signal."""
        own = psutil.Process(self.process.pid)
        for process in [own, *own.children(recursive=True)]:
            process.send_signal(number)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)


class Reader(Host):
    def __init__(self, place: Place, folder: Path, **settings: str) -> None:
        at = {"API_HOST": place.address, "API_PORT": str(free_port()), "API_KEYS": KEY}
        self.url = f"http://{place.address}:{at['API_PORT']}"
        self.http = httpx.Client(base_url=self.url, timeout=60, headers={"X-API-Key": KEY})
        super().__init__(place, folder, "api", ROLE="reader", **at, **settings)

    def served(self) -> str | None:
        found = self.http.get("/warehouse/snapshots")
        return found.json()["served"] if found.status_code == 200 else None


class Places:
    """Where each host runs, by its name."""

    def __init__(self, network: Network | None, *readers: str) -> None:
        self._network, self.readers = network, readers
        self.made: dict[str, Place] = {}

    def __call__(self, name: str) -> Place:
        self.made[name] = self._network.host(name) if self._network else Place()
        return self.made[name]


class Hosts:
    """Two workers, some readers, Prefect on Postgres, and a store: all on this machine, or each in its namespace."""

    def __init__(self, folder: Path, seaweed: Seaweed, postgres: Postgres, places: Places, **settings: str) -> None:
        self.seaweed, self.postgres = seaweed, postgres
        at = places("prefect")
        api = f"http://{at.address}:{free_port()}/api"
        secret = {"PREFECT_SERVER_API_AUTH_STRING": SECRET, "PREFECT_API_AUTH_STRING": SECRET}
        prefect = {"PREFECT_API_URL": api, **secret}
        store = {**seaweed.environment, "SHELF_URL": "s3://girouette/hosts", **settings}
        self.prefect = Host(
            at,
            folder / "prefect",
            "orchestration.prefect_server",
            PREFECT_API_DATABASE_CONNECTION_URL=postgres.url,
            **prefect,
        )
        self.workers = [
            Host(places(name), folder / name, "api", ROLE="worker", **prefect, **store) for name in ("one", "two")
        ]
        self.with_prefect, self.alone, *others = (
            Reader(places(name), folder / name, **({} if name == "reader-b" else prefect), **store)
            for name in places.readers
        )
        self.readers = [self.with_prefect, self.alone, *others]
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

    def trigger(self, query: str = "dept=9&full=true", at: Reader | None = None) -> str:
        asked = at or self.with_prefect
        answer = self.until(lambda: (got := asked.http.post(f"/runs?{query}")).status_code == 202 and got, "a run")
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
def running_hosts(folder: Path, places: Places | None = None, **settings: str) -> Iterator[Hosts]:
    places = places or Places(None, "reader-a", "reader-b")
    with running_seaweed(folder / "seaweed", places("store")) as seaweed, running_postgres(places("sql")) as postgres:
        hosts = Hosts(folder, seaweed, postgres, places, **settings)
        try:
            yield hosts
        finally:
            for http in (hosts.prefect_http, *(reader.http for reader in hosts.readers)):
                http.close()
            for host in reversed(hosts.all):
                host.stop()

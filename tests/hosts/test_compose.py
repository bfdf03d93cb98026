"""docs/compose.yaml without Docker: its schema, and its commands as plain processes with its environment."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from postgres import Postgres, running_postgres
from running_service import ROOT, free_port
from seaweed import weed

COMPOSE = ROOT / "docs" / "compose.yaml"
PATIENCE = 240
Started = tuple[subprocess.Popen[bytes], Path]  # and its log


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
    return found


def test_it_follows_the_compose_specification():
    pytest.importorskip("check_jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def process(command: list[str], folder: Path, environment: dict[str, str], cwd: Path = ROOT) -> Iterator[Started]:
    """Run a command with this environment and nothing of ours, as a container does."""
    folder.mkdir(parents=True, exist_ok=True)
    clean = {"PATH": os.environ["PATH"], "HOME": str(folder), **environment}
    with (folder / "log").open("ab") as log:
        started = subprocess.Popen(command, cwd=cwd, env=clean, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        yield started, folder / "log"
    finally:
        started.terminate()
        started.wait(PATIENCE)


def store_of(service: dict[str, Any], folder: Path, ports: dict[str, int]) -> AbstractContextManager[Started]:
    """Run the store's own command, on ports that are free here."""
    (folder / "data").mkdir(parents=True)
    options = service["command"].replace("/data", str(folder / "data")).split()
    given = [f"-{name}={port}" for name, port in ports.items()]
    local = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    return process([weed(), *options, *given, *local], folder, service["environment"], cwd=folder)


def database_of(service: dict[str, Any], postgres: Postgres) -> None:
    """Make what the image of Postgres makes at its first start; here every password is taken."""
    environment = service["environment"]
    assert environment["POSTGRES_USER"] == "prefect"
    command = ["createdb", "-h", "127.0.0.1", "-p", str(postgres.port), "-U", "prefect", environment["POSTGRES_DB"]]
    subprocess.run(command, check=True, timeout=60)


@pytest.mark.slow
@pytest.mark.xdist_group("hosts")
def test_its_commands_are_a_service_with_two_readers(services: dict[str, Any], tmp_path: Path):
    names = ("s3", "filer", "master", "volume")
    ports = {f"{name}.port{kind}": free_port() for name in names for kind in ("", ".grpc")}
    prefect = free_port()
    with ExitStack() as running:
        postgres = running.enter_context(running_postgres())
        database_of(services["postgres"], postgres)
        running.enter_context(store_of(services["s3"], tmp_path / "s3", ports))
        exchange = {
            "http://prefect:4200": f"http://127.0.0.1:{prefect}",
            "@postgres/": f"@127.0.0.1:{postgres.port}/",
            "http://s3:8333": f"http://127.0.0.1:{ports['s3.port']}",
            "0.0.0.0": "127.0.0.1",
        }

        def start(service: str, name: str, **port: str) -> Started:
            environment = {key: str(value) for key, value in services[service]["environment"].items()} | port
            for theirs, ours in exchange.items():
                environment = {key: value.replace(theirs, ours) for key, value in environment.items()}
            environment["DATA_DIR"] = str(tmp_path / name / "data")  # each container has a folder of its own
            python, *arguments = services[service]["command"].split()
            assert python == "python"
            return running.enter_context(process([sys.executable, *arguments], tmp_path / name, environment))

        started = [start("prefect", "prefect"), start("worker", "worker")]
        readers = []
        assert services["reader"]["deploy"]["replicas"] == 2
        for number in (1, 2):
            port = str(free_port())
            started.append(start("reader", f"reader-{number}", API_PORT=port))
            readers.append(running.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)))

        def until(is_so: Callable[[], Any], what: str) -> Any:
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline:
                for one, log in started:
                    assert one.poll() is None, log.read_text()
                try:
                    if found := is_so():
                        return found
                except httpx.TransportError:
                    pass
                time.sleep(0.3)
            logs = "\n".join(f"== {log}\n{log.read_text()[-3000:]}" for _, log in started)
            raise AssertionError(f"never came: {what}\n{logs}")

        for reader in readers:
            until(lambda reader=reader: reader.get("/health/ready").status_code == 200, "readiness")
        answers = [reader.get("/warehouse/latest?dept=9") for reader in readers]
        assert answers[0].content == answers[1].content
        assert answers[0].json()["data"]
        key = services["reader"]["environment"]["API_KEYS"]
        asked = readers[0].post("/runs?dept=9&full=true", headers={"X-API-Key": key})
        assert asked.status_code == 202, asked.text
        before = answers[0].json()["snapshot"]["id"]
        for reader in readers:
            until(lambda reader=reader: reader.get("/warehouse/snapshots").json()["served"] != before, "a new snapshot")

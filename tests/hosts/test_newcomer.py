"""From `make run` on one machine to two workers and two readers, by the commands of docs/hosts.md."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from postgres import Postgres, running_postgres
from run_fixtures import query_file
from running_service import ROOT, free_port
from seaweed import Seaweed, running_seaweed

from ingestion.paths import DataPaths
from orchestration.watches.watches import list_watches

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("hosts")]

PATIENCE = 300
KEY, PASSWORD = "a-key-of-the-walk", "girouette:a-long-password"
STEPS = re.compile(r"^   ```sh\n(.*?)^   ```$", re.MULTILINE | re.DOTALL)
# What must not change by moving; the rest is computed from it, and grows with the hours that pass meanwhile.
KEPT = ("raw.observations", "raw.stations", "marts.hourly_observations", "meta.loads")
ARCHIVE = (
    "/archive/coverage?dept=9",
    "/climate/09289001/normals?quantity=temperature_max_c",
    "/climate/09289001/history?from=2024-01-01&to=2024-01-10",
)


def commands_of_the_docs() -> list[str]:
    section = (ROOT / "docs" / "hosts.md").read_text().partition("\n## From one machine")[2].partition("\n## ")[0]
    return STEPS.findall(section)


class Machine:
    """A copy of the project where a person types commands. `exchange` has the addresses and secrets of the test."""

    def __init__(self, folder: Path, exchange: dict[str, str], **environment: str) -> None:
        self.home, self.log, self._exchange = folder, folder.with_suffix(".log"), exchange
        self.data = folder / "data"
        for name in ("api", "ingestion", "orchestration", "weather_dbt", "profiles"):
            ignored = shutil.ignore_patterns("__pycache__", "target", "logs", ".user.yml")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        for name in ("Makefile", "pyproject.toml", "requirements.lock"):
            shutil.copy(ROOT / name, folder)
        # What `make` would install is there already.
        (folder / ".venv").mkdir()
        for part in Path(sys.prefix).iterdir():
            if part.name in ("bin", "lib", "pyvenv.cfg"):
                (folder / ".venv" / part.name).symlink_to(part)
        for stamp in (".runtime", ".hosts"):
            (folder / ".venv" / stamp).touch()
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "API_", "AWS_", "DATA_"))}
        self._environment = {**clean, **environment}
        self.port = environment.get("API_PORT", "")
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60, headers={"X-API-Key": KEY})

    def types(self, commands: str) -> None:
        for theirs, ours in self._exchange.items():
            commands = commands.replace(theirs, ours)
        assert "…" not in commands, commands
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-ec", commands],
                cwd=self.home,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )

    def presses_ctrl_c(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGINT)
            self._process.wait(PATIENCE)

    def until(self, is_so: Callable[[], Any], what: str) -> Any:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                if found := is_so():
                    return found
            except httpx.TransportError:
                pass
            assert self._process.poll() is None, self.log.read_text()[-5000:]
            time.sleep(0.2)
        raise AssertionError(f"never came: {what}\n{self.log.read_text()[-5000:]}")

    def until_ready(self) -> None:
        self.until(lambda: self.http.get("/health/ready").status_code == 200, "readiness")

    def until_ended(self, answer: httpx.Response) -> dict[str, Any]:
        assert answer.status_code == 202, answer.text
        run_id = answer.json()["id"]
        ends = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        run = self.until(
            lambda: (run := self.http.get(f"/runs/{run_id}").json())["state"]["type"] in ends and run, "the run's end"
        )
        assert run["state"]["type"] == "COMPLETED", run
        return run

    def served(self) -> str | None:
        answer = self.http.get("/warehouse/snapshots")
        return answer.json()["served"] if answer.status_code == 200 else None

    def serves(self, snapshot: str) -> None:
        self.until(lambda: self.served() == snapshot, f"{snapshot} at {self.home.name}")


def rows_of(data: Path) -> dict[str, set[tuple[Any, ...]]]:
    file = DataPaths(data).published
    return {table: {tuple(map(str, row)) for row in query_file(file, f"from {table}")} for table in KEPT}


def answers_of(machine: Machine) -> list[bytes]:
    answers = [machine.http.get(question) for question in ARCHIVE]
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
    return [answer.json()["data"] for answer in answers]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Seaweed]:
    with running_seaweed(tmp_path / "seaweed") as seaweed:
        yield seaweed


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    with running_postgres() as running:
        yield running


def test_a_newcomer_moves_from_one_machine_to_four_and_loses_nothing(tmp_path: Path, store: Seaweed, postgres):
    prefect_url = f"http://127.0.0.1:{free_port()}/api"
    exchange = {
        "http://prefect.internal:4200/api": prefect_url,
        "postgresql+asyncpg://prefect:…@db.internal/prefect": postgres.url,
        "s3://weather/girouette": "s3://girouette/walk",
        "AWS_ACCESS_KEY_ID=…": f"AWS_ACCESS_KEY_ID={store.keys['AWS_ACCESS_KEY_ID']}",
        "AWS_SECRET_ACCESS_KEY=…": f"AWS_SECRET_ACCESS_KEY={store.keys['AWS_SECRET_ACCESS_KEY']}",
        "AWS_ENDPOINT_URL=…": f"AWS_ENDPOINT_URL={store.endpoint}",
        "API_HOST=0.0.0.0": "API_HOST=127.0.0.1",
        "API_KEYS=…": f"API_KEYS={KEY}",
    }
    of_prefect, of_worker, of_reader = commands_of_the_docs()
    with ExitStack() as machines:

        def machine(name: str, **environment: str) -> Machine:
            made = Machine(tmp_path / name, exchange, **environment)
            machines.callback(made.http.close)
            machines.callback(lambda: made.presses_ctrl_c())
            return made

        # One machine, some runs and the archive.
        alone = {"API_PORT": str(free_port()), "PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api"}
        one = machine("one", **alone)
        one.types("make run")
        one.until_ready()
        one.until(one.served, "the first snapshot")
        one.until_ended(one.http.post("/archive/backfill?dept=9&since=2020&dataset=days"))
        run = one.until_ended(one.http.post("/runs?dept=9&full=true"))
        one.until(lambda: one.served() in str(run), "the newest snapshot")
        watch = {"condition": "temperature_c < -90", "stations": ["09289001"], "notify": "json://127.0.0.1:9/nobody"}
        assert one.http.post("/watches", json=watch).status_code == 201
        progress = {file.name: file.read_bytes() for file in DataPaths(one.data).run_records.glob("*.jsonl")}
        before, answers = rows_of(one.data), answers_of(one)
        served, loads = one.served(), len(before["meta.loads"])
        archive = {file.relative_to(one.data): file.read_bytes() for file in one.data.glob("archive/*/**/*.parquet")}
        one.presses_ctrl_c()
        assert loads >= 2
        assert archive

        # Several.
        prefect = machine("prefect")
        prefect.types(of_prefect)
        prefect.until(lambda: httpx.get(f"{prefect_url}/health").status_code == 200, "Prefect's server")
        one.types(of_worker)
        one.until(lambda: (one.data / "shelf" / "base.json").exists(), "the first publication to the bucket")
        two = machine("two")
        two.types(of_worker)
        readers = [
            machine(
                "reader-one", API_PORT=str(free_port()), PREFECT_API_URL=prefect_url, PREFECT_API_AUTH_STRING=PASSWORD
            ),
            machine("reader-two", API_PORT=str(free_port())),
        ]
        for reader in readers:
            reader.types(of_reader)
        for reader in readers:
            reader.until_ready()
            reader.until(lambda reader=reader: (reader.served() or "") > served, "a newer snapshot")
        for reader in readers:
            after = rows_of(reader.data)
            assert [table for table in KEPT if before[table] - after[table]] == []
            assert answers_of(reader) == answers
            here = {
                file.relative_to(reader.data): file.read_bytes() for file in reader.data.glob("archive/*/**/*.parquet")
            }
            assert {file: here.get(file) for file in archive} == archive
        for name, content in progress.items():
            assert (DataPaths(one.data).run_records / name).read_bytes() == content
        (kept,) = list_watches(DataPaths(one.data))
        assert (kept[0].condition_text, kept[0].stations) == ("temperature_c < -90", ("09289001",))
        # A run and a back-fill asked of a reader, whichever worker takes them.
        run = readers[0].until_ended(readers[0].http.post("/runs?dept=9&full=true"))
        for reader in readers:
            reader.until(lambda reader=reader: reader.served() in str(run), "the run's snapshot")
        readers[0].until_ended(readers[0].http.post("/archive/backfill?dept=9&since=2025&dataset=hours"))
        newest = readers[0].until(
            lambda: (now := readers[0].served()) not in str(run) and now, "the archive's snapshot"
        )
        readers[1].serves(newest)
        hours = "/climate/09289001/history?resolution=hour&from=2025-01-01&to=2025-01-01"
        for reader in readers:  # it answers from the snapshot before until it has opened the new one
            reader.until(
                lambda reader=reader: len(reader.http.get(hours).json().get("data", ())) == 24, "a day's hours"
            )
        assert answers_of(readers[0]) == answers_of(readers[1])
        assert readers[1].http.post("/runs?dept=9").status_code == 503

"""Runs on two hosts against the same runs on one machine, and the answers of a reader against a worker's."""

import asyncio
import shutil
import signal
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from run_fixtures import measure_file, run_once
from running_service import KEY, client_from
from upstream import NOW, Upstream

from api import settings as api_settings
from api.app import create_app
from api.warehouse.opening import open_warehouse
from api.warehouse.settings import WarehouseSettings
from ingestion.departments import resolve_all
from ingestion.paths import DataPaths
from orchestration.errors import Fenced
from orchestration.pipeline import RunSummary, plain_steps, run_pipeline
from orchestration.service.following import Following
from orchestration.service.reader import Reader
from orchestration.service.service import Service
from orchestration.settings import OrchestrationSettings, get_settings
from orchestration.shelf.shelf import Shelf
from orchestration.snapshots.snapshots import Manifest

pytestmark = [pytest.mark.xdist_group("hosts"), pytest.mark.slow]  # test_shelf.py and test_store.py are quick

QUESTIONS = (
    "/warehouse/latest?dept=9",
    "/warehouse/latest?dept=9&format=csv",
    "/warehouse/tables/marts/hourly_observations?limit=50",
    "/warehouse/stations?dept=9",
    "/quality",
    "/warehouse/download",
)


@pytest.fixture(autouse=True)
def _fresh_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(api_settings.ApiSettings.model_config, "env_file", None)
    api_settings.get_settings.cache_clear()
    yield
    api_settings.get_settings.cache_clear()


@pytest.fixture
def run_on(upstream, host) -> Callable[..., RunSummary]:
    """Run the pipeline on a host some hours after NOW; without a shelf as on one machine."""

    def run(folder: Path, hours: int, shelf: Shelf | None) -> RunSummary:
        upstream.reset(now=NOW + timedelta(hours=hours), retention_hours=12 + hours)
        ingestion = upstream.settings(folder)
        steps = plain_steps(ingestion, get_settings(), "a run", print, shelf)
        return run_pipeline(resolve_all(["9"]), steps, ingestion, print)

    return run


@pytest.fixture(scope="module")
def one_machine(upstream_server: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ariège published once at NOW: what a person has before there are other hosts."""
    folder = tmp_path_factory.mktemp("one-machine") / "data"
    upstream_server.reset()
    run_once(upstream_server.settings(folder), "9")
    return folder


def app_of(paths: DataPaths, service: Service, reads: Any) -> TestClient:
    app = create_app()
    app.state.service, app.state.warehouse = service, reads
    client = client_from("127.0.0.1", app)
    client.headers["X-API-Key"] = KEY
    return client


def test_hosts_that_take_turns_are_one_warehouse_and_a_reader_answers_the_same(
    host, run_on, one_machine, shelf_url, tmp_path: Path, monkeypatch
):
    one, two, alone, reader = (tmp_path / name for name in ("one", "two", "alone", "reader"))
    # The first host brings what it did as one machine, though nothing is new.
    for folder in (one, alone):
        shutil.copytree(one_machine, folder, symlinks=True)
    assert run_on(one, 0, host(one)).is_published
    # The second begins with an empty folder, and loads only what is new.
    second = run_on(two, 2, host(two))
    assert second.is_published
    run_on(alone, 2, None)
    assert second.rows_new > 0
    rows = measure_file(DataPaths(alone).published)
    assert rows == measure_file(DataPaths(two).published)
    assert sum(len(table) for table in rows.values()) > 1000
    # The first has not followed: its next run takes the other's state, and finds nothing new.
    third = run_on(one, 2, host(one))
    assert (third.is_published, third.rows_new) == (False, 0)
    assert rows == measure_file(DataPaths(one).published)

    monkeypatch.delenv("PREFECT_API_URL")  # it needs none
    monkeypatch.setenv("API_KEYS", KEY)
    api_settings.get_settings.cache_clear()
    monkeypatch.setenv("ROLE", "reader")
    monkeypatch.setenv("SHELF_URL", shelf_url)
    get_settings.cache_clear()
    here = Reader(resolve_all(["9"]), get_settings(), DataPaths(reader))
    there = Service(resolve_all(["9"]), OrchestrationSettings(_env_file=None), DataPaths(two))
    here.following.step()
    assert here.health.shelf == "following"
    limits = WarehouseSettings(_env_file=None)
    with open_warehouse(DataPaths(reader), limits) as read, open_warehouse(DataPaths(two), limits) as written:
        answers, expected = app_of(DataPaths(reader), here, read), app_of(DataPaths(two), there, written)
        for question in QUESTIONS:
            mine, its = answers.get(question), expected.get(question)
            assert its.headers.get("ETag"), question
            assert (mine.status_code, mine.content, mine.headers.get("ETag")) == (200, its.content, its.headers["ETag"])
            assert "X-Snapshot-Behind" not in mine.headers

        # Another publishes: until it is laid here, answers say so, and bodies stay what they were.
        fourth = run_on(one, 3, host(one))
        here.following._look()
        behind = answers.get(QUESTIONS[0])
        assert behind.headers["X-Snapshot-Behind"] == fourth.snapshot.id
        assert behind.json()["snapshot"]["id"] == second.snapshot.id
        here.following.step()
        read.warehouse.refresh()
        level = answers.get(QUESTIONS[0])
        assert level.json()["snapshot"]["id"] == fourth.snapshot.id
        assert "X-Snapshot-Behind" not in level.headers

        # It knows no Prefect server.
        for method, address in (
            ("POST", "/runs?dept=9"),
            ("GET", "/runs"),
            ("POST", "/archive/backfill?dept=9"),
            ("GET", "/archive/backfill"),
        ):
            refused = answers.request(method, address)
            assert (refused.status_code, refused.json()["type"]) == (503, "/problems/no-prefect")
            assert refused.headers["Content-Type"] == "application/problem+json"
        # A rollback asked of a reader is for all.
        assert answers.post("/warehouse/rollback").json()["served"] == second.snapshot.id
    assert host(two).look().served == second.snapshot.id


@pytest.mark.slow
def test_a_run_that_was_overtaken_publishes_nothing_and_loses_nothing(host, run_on, one_machine, upstream, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    shutil.copytree(one_machine, one, symlinks=True)
    run_on(one, 0, host(one))
    # The first host takes its state and fetches. Before it publishes, the second has.
    slow = host(one)
    publish = slow.publish
    overtaking: list[RunSummary] = []

    def be_overtaken(folder: Path, manifest: Manifest) -> None:
        overtaking.append(run_on(two, 1, host(two)))
        publish(folder, manifest)

    slow.publish = be_overtaken
    with pytest.raises(Fenced):
        run_on(one, 2, slow)
    before = [path.name for path in DataPaths(one).snapshots.iterdir()]
    assert len(before) == 2  # nothing half done
    assert host(two).look().served not in before
    # What it fetched is loaded by its next run on top of what the other published, though upstream sends it no more.
    after = run_on(one, 1, host(one))
    assert (after.snapshot.sequence, after.is_published) == (4, True)
    newest = [
        datetime.fromisoformat(snapshot.newest_observation) for snapshot in (overtaking[0].snapshot, after.snapshot)
    ]
    assert newest[1] - newest[0] == timedelta(hours=1)


@pytest.mark.slow  # it ends the store and starts it again
def test_a_host_that_cannot_follow_says_since_when_and_is_unready_after_a_limit(host, tmp_path, seaweed):
    shelf = host(tmp_path / "reader")
    told: dict[str, tuple[str, str]] = {}

    def note(part: str, state: str, reason: str) -> None:
        told[part] = (state, reason)

    following = Following(shelf, shelf.paths, 0.0, note)
    following.step()
    assert told["shelf"] == ("following", "")  # nothing was published yet
    seaweed.kill()
    try:
        following.step()
        state, reason = told["shelf"]
        assert (state, reason.partition(": the store at s3://girouette/")[0][:13]) == ("lost", "behind since ")
    finally:
        seaweed.start()
    following.step()
    assert told["shelf"] == ("following", "")


def test_a_store_that_never_answers_is_told_while_the_host_still_waits(host, tmp_path, seaweed):
    shelf = host(tmp_path / "reader")
    told: list[str] = []
    following = Following(shelf, shelf.paths, 0.0, lambda _part, state, reason: told.append(f"{state} {reason}"))

    async def follow() -> None:
        running = asyncio.create_task(following.run())
        while not any(word.startswith("lost") for word in told):
            await asyncio.sleep(0.1)
        assert told[-1].endswith(f"{shelf.store.url} has not answered yet")
        seaweed.process.send_signal(signal.SIGCONT)
        while not told[-1].startswith("following"):
            await asyncio.sleep(0.1)
        running.cancel()

    seaweed.process.send_signal(signal.SIGSTOP)  # as on a cut cable: the kernel connects, and nobody answers
    try:
        asyncio.run(follow())
    finally:
        seaweed.process.send_signal(signal.SIGCONT)

"""A day of hourly runs on hosts in networks of their own: each reader's every answer is a single machine's."""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from apart import WAIT, Day, until_idle, until_run
from archive_files import Archive, days_of, text_of
from fastapi.testclient import TestClient
from httpx import Response
from published import Publications
from run_fixtures import measure_file, run_once
from running_hosts import Host, Hosts, Reader
from running_service import KEY, client_from
from upstream import Upstream
from watching import Watching

from api import settings as api_settings
from api.app import create_app
from api.warehouse.opening import open_warehouse
from api.warehouse.settings import WarehouseSettings
from ingestion.departments import resolve_all
from ingestion.paths import DataPaths
from orchestration.service.service import Service
from orchestration.settings import OrchestrationSettings
from orchestration.shelf.store import open_store

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("namespaces")]

HOURS = 24
STATION = "09289001"
CLIMATE = (
    f"/climate/{STATION}/normals",
    f"/climate/{STATION}/records",
    f"/climate/{STATION}/history",
    "/climate/normal?date=2020-07-14",
    "/archive/coverage",
)
QUESTIONS = (
    "/warehouse/latest",
    "/warehouse/latest?dept=9&format=csv",
    "/warehouse/latest?format=geojson",
    "/warehouse/stations",
    f"/warehouse/stations/{STATION}",
    f"/warehouse/observations?station={STATION}",
    "/quality",
    "/warehouse/tables",
    "/warehouse/query?sql=select+count(*)+from+marts.hourly_observations&format=csv",
    "/warehouse/download",
    *CLIMATE,
)


@pytest.fixture(autouse=True)
def _fresh_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(api_settings.ApiSettings.model_config, "env_file", None)
    monkeypatch.setenv("API_KEYS", KEY)
    api_settings.get_settings.cache_clear()
    yield
    api_settings.get_settings.cache_clear()


def questions(ask: Callable[[str], Response], before: str, served: str) -> list[str]:
    """Every question of the day: also each table whole, and what changed since the hour before."""
    tables = ask(f"/warehouse/tables?snapshot={served}").json()["data"]
    whole = [f"{table['href']}?limit=100000&format=csv" for table in tables]
    pinned = [f"{address}{'&' if '?' in address else '?'}snapshot={served}" for address in (*QUESTIONS, *whole)]
    return [*pinned, f"/warehouse/snapshots/{before}/diff/{served}"]


class SingleMachines:
    """The application over a worker's own folder, as one machine has it: nothing there came from the store."""

    def __init__(self, workers: list[Host], until: ExitStack) -> None:
        self._apps: dict[Host, TestClient] = {}
        for worker in workers:
            paths = DataPaths(worker.data)
            app = create_app()
            app.state.service = Service(resolve_all(["9"]), OrchestrationSettings(_env_file=None), paths)
            app.state.warehouse = until.enter_context(open_warehouse(paths, WarehouseSettings(_env_file=None)))
            self._apps[worker] = client_from("127.0.0.1", app)
            self._apps[worker].headers["X-API-Key"] = KEY

    def of(self, worker: Host) -> TestClient:
        self._apps[worker].app.state.warehouse.warehouse.refresh()  # type: ignore[attr-defined]
        return self._apps[worker]


def test_each_hour_of_a_day_is_served_by_three_readers_as_by_one_machine(
    apart: Hosts,
    day: Day,
    watching: Watching,
    world: tuple[Upstream, object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    upstream = world[0]
    for name, value in apart.seaweed.environment.items():
        monkeypatch.setenv(name, value)
    open_store.cache_clear()
    alone = upstream.settings(tmp_path / "alone")
    run_once(alone, "9")
    served = apart.until_all_serve(None)
    until_idle(apart)
    # As `make backfill` by hand on one worker: its next run publishes the archive for all.
    archive = Archive(DataPaths(apart.workers[0].data), tmp_path / "archive")
    thirty_years = text_of(days_of(date(1991, 1, 1), 11_000))
    archive.load("Q_09_previous-1950-2023_RR-T-Vent.csv.gz", thirty_years, datetime(2026, 1, 5, tzinfo=UTC))
    asking: list[Reader] = [apart.with_prefect, apart.readers[2]]
    took: Counter[str] = Counter()
    delays: dict[str, list[float]] = {reader.name: [] for reader in apart.readers}
    seconds: list[float] = []
    compared: Counter[str] = Counter()
    unlike: list[str] = []
    rows = 0
    with ExitStack() as until, Publications(open_store("s3://girouette/hosts")) as publications:
        machines = SingleMachines(apart.workers, until)
        for number in range(HOURS):
            before = served
            hour = day.pass_hour()
            start = time.monotonic()
            run_id = apart.trigger("dept=9", at=asking[number % 2])
            worker = until_run(apart, run_id, "fetching")
            took[worker.name] += 1
            apart.until_state(run_id, "COMPLETED", seconds=WAIT)
            seconds.append(time.monotonic() - start)
            served = apart.until_all_serve(before)
            apart.until(lambda: len(watching.served_at.get(served, {})) == 3, "asked of all")  # noqa: B023
            for reader, at in watching.served_at[served].items():
                delays[reader].append(at - publications.moved_at[served])
            waits = ", ".join(f"{found[-1]:.1f}" for found in delays.values())
            day.say(f"{hour}: by {worker.name} in {seconds[-1]:.1f} s, served {waits} s after publication")
            # The same bytes as the machine that made the snapshot.
            one = machines.of(worker)
            for question in questions(one.get, before, served):
                expected = one.get(question)
                is_climate = question.startswith(CLIMATE)
                if is_climate and expected.status_code == 404:
                    continue  # the worker that has the archive had no run yet
                if expected.status_code != 200:
                    unlike.append(f"one machine, {question}: {expected.text[:300]}")
                for reader in apart.readers:
                    answer = reader.http.get(question)
                    same = [(its.status_code, its.content, its.headers.get("ETag")) for its in (answer, expected)]
                    if same[0] != same[1]:
                        unlike.append(f"{reader.name}, {question}: {answer.text[:300]}")
                    compared["climate" if is_climate else "others"] += 1
            # The same rows as a machine that ran every hour by itself.
            assert run_once(alone, "9").is_published
            its = measure_file(DataPaths(alone.data_dir).published)
            mine = measure_file(DataPaths(apart.readers[number % 3].data).published)
            assert mine == its
            rows = sum(len(table) for table in its.values())
            assert watching.newest_hour(served).replace(" ", "T").startswith(hour)
            assert watching.faults == []
            until_idle(apart)
    day.say(f"{HOURS} hourly runs, taken by {dict(took)}, {statistics.median(seconds):.1f} s each (median)")
    for reader, found in delays.items():
        day.say(
            f"  {reader}: served {statistics.median(found):.1f} s after publication (median; {min(found):.1f} to "
            f"{max(found):.1f})"
        )
    day.say(f"  answers equal in bytes and ETag: {dict(compared)}; {rows:,} rows at the end, 0 differ")
    day.say(f"  {watching.answers:,} answers checked meanwhile, the longest took {watching.longest:.1f} s")
    assert unlike == []
    assert all(took[worker.name] for worker in apart.workers)
    assert compared["climate"]

"""What the attacks share: a warehouse to attack, warm processes to run it in, and the table of what was injected."""

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from run_fixtures import first_run, later, measure_file, published, run_once
from running_service import RunningService, free_port
from upstream import NOW, Upstream
from victim import KEEP, Victim, third_hour
from warm_runs import WarmRuns

from ingestion.paths import DataPaths
from orchestration import settings as orchestration_settings
from orchestration.service.leader import Leadership

__all__ = ["first_run", "later", "published"]


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> WarmRuns:
    folder = tmp_path_factory.mktemp("warm")
    os.environ["DATA_DIR"] = str(folder / "data")  # where the forkserver's dbt writes its log
    return WarmRuns(folder)


@pytest.fixture(scope="session")
def two_runs(first_run: Path, upstream_server: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ariège published twice, an hour apart: a data directory to copy from, where the next run deletes a snapshot."""
    data_dir = tmp_path_factory.mktemp("two-runs") / "data"
    shutil.copytree(first_run, data_dir, symlinks=True)
    upstream_server.reset(now=NOW + timedelta(hours=1), retention_hours=13)
    assert run_once(upstream_server.settings(data_dir), "9").is_published
    return data_dir


@pytest.fixture(scope="session")
def undisturbed(two_runs: Path, upstream_server: Upstream, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a third run leaves when nobody disturbs it: every table's rows."""
    data_dir = tmp_path_factory.mktemp("undisturbed") / "data"
    shutil.copytree(two_runs, data_dir, symlinks=True)
    third_hour(upstream_server)
    assert run_once(upstream_server.settings(data_dir), "9").is_published
    return measure_file(DataPaths(data_dir).published)


@pytest.fixture
def victim(
    two_runs: Path,
    undisturbed: dict[str, Any],
    data_dir: Path,
    upstream: Upstream,
    warm: WarmRuns,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Victim]:
    monkeypatch.setenv("SNAPSHOTS_KEEP", KEEP)
    orchestration_settings.get_settings.cache_clear()
    made = Victim(two_runs, data_dir, upstream, warm, undisturbed)
    made.restore()
    yield made
    for run in made.started:
        run.kill()


@pytest.fixture
def start_reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., RunningService]]:
    """Start the real service where another process leads: it answers, and starts no Prefect server."""
    held, running = [], []

    def start(paths: DataPaths, *, leads: bool = False, **settings: str) -> RunningService:
        if not leads:
            held.append(Leadership(paths))
            assert held[-1].try_acquire()
        # One that leads starts a Prefect server there; on port 9 nobody is ever to answer.
        port = free_port() if leads else 9
        service = RunningService(paths.root, f"http://127.0.0.1:{port}/api", **settings)
        running.append(service)
        service.until(lambda: service.http.get("/health/live").status_code == 200, "an answer")
        return service

    yield start
    for service in running:
        service.stop()
    for leadership in held:
        leadership.release()


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Tell what was injected and how often; `make test-faults` ends with these lines."""
    return lambda line: record_property("injected", line)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    told = [
        (report.nodeid.rpartition("::")[2], value)
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "injected" and getattr(report, "when", "") == "call"
    ]
    if told:
        terminalreporter.section("injected")
        for test, line in sorted(told):
            terminalreporter.write_line(f"{test}: {line}")

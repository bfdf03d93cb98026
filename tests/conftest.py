"""What every test shares: clean settings, a data directory, the real files, one Prefect server, one service."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running_service import KEY, RunningService, free_port, until_gone
from upstream import Upstream, ingest_hourly, running_upstream

from ingestion import settings as ingestion_settings
from ingestion.paths import DataPaths
from orchestration import settings as orchestration_settings
from orchestration.prefect_server.server import running_server

REAL_FILES = Path(__file__).resolve().parents[2] / "shared" / "data" / "meteofrance"

_OURS = (
    "METEOFRANCE_",
    "PREFECT_",
    "DBT_",
    "DATA_DIR",
    "DEPTS",
    "SCHEDULE_",
    "SNAPSHOTS_",
    "CLOSE_",
    "API_",
    "ALERT_",
    "WATCH_",
    "CORS_",
    "READ_",
    "SQL_",
    "REQUESTS_PER",
    "ROOT_PATH",
    "SHELF_",
    "ROLE",
    "BEHIND_",
    "TAKEOVER",
    "AWS_",
)


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give each test its own data directory and nothing of the developer's own settings."""
    for name in list(os.environ):
        if name.startswith(_OURS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")  # nobody answers there
    for settings in (ingestion_settings.IngestionSettings, orchestration_settings.OrchestrationSettings):
        monkeypatch.setitem(settings.model_config, "env_file", None)
    _forget_settings()
    yield tmp_path / "data"
    _forget_settings()


def _forget_settings() -> None:
    ingestion_settings.get_settings.cache_clear()
    orchestration_settings.get_settings.cache_clear()


@pytest.fixture
def paths(data_dir: Path) -> DataPaths:
    return DataPaths(data_dir)


@pytest.fixture
def real_file() -> Callable[[str], Path]:
    """Find one of Météo-France's own files; the test is skipped where they are not."""

    def find(name: str) -> Path:
        if not (REAL_FILES / name).exists():
            pytest.skip(f"{name} is not on this machine: Météo-France's files are not part of the repository")
        return REAL_FILES / name

    return find


@pytest.fixture(scope="session")
def upstream_server() -> Iterator[Upstream]:
    with running_upstream() as upstream:
        yield upstream


@pytest.fixture
def upstream(data_dir: Path, upstream_server: Upstream, monkeypatch: pytest.MonkeyPatch) -> Upstream:
    """Let the settings name a real HTTP server that plays Météo-France: what is asked of it is deterministic."""
    upstream_server.reset()
    for name, value in upstream_server.environment.items():
        monkeypatch.setenv(name, value)
    _forget_settings()
    return upstream_server


@pytest.fixture(scope="session")
def hours_as_they_came(upstream_server: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ingest two départements hour by hour: with late rows and corrected ones. A data directory to copy from.

    Tests that ask for it carry `pytest.mark.xdist_group("replay")`, so that one worker makes it.
    """
    return ingest_hourly(upstream_server, tmp_path_factory.mktemp("hourly") / "data", hours=8)


@pytest.fixture(scope="session")
def hours_at_once(upstream_server: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ingest the same hours by one request each at their end."""
    return ingest_hourly(upstream_server, tmp_path_factory.mktemp("at-once") / "data", hours=0)


@pytest.fixture(scope="session")
def grown(tmp_path_factory: pytest.TempPathFactory) -> DataPaths:
    """Load, build and publish a history long enough for months to be closed, none of them closed: to copy from.

    Tests that ask for it carry `pytest.mark.xdist_group("long-history")`, so that one worker makes it.
    """
    from long_history import make_warehouse, publish  # it imports dbt, which most tests need not wait for

    paths = make_warehouse(tmp_path_factory.mktemp("grown") / "data")
    publish(paths)
    return paths


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start one Prefect server for the session and give its API's address.

    Tests that ask for it carry `pytestmark = pytest.mark.xdist_group("prefect")`, so that one worker runs
    them all and a second server is never started.
    """
    url = f"http://127.0.0.1:{free_port()}/api"
    settings = orchestration_settings.OrchestrationSettings(prefect_api_url=url)
    with running_server(settings, DataPaths(tmp_path_factory.mktemp("prefect")), print):
        yield url


@pytest.fixture(scope="session", autouse=True)
def _no_service_stays() -> Iterator[None]:
    yield
    for service in RunningService.started:
        service.stop()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Give one real service with a first snapshot of two départements, and a Prefect server of its own.

    Its `http` sends the key that changes need. Tests that ask for it carry `pytest.mark.xdist_group("service")`,
    so that one worker runs them all: starting a second one takes as long as all the runs they ask for.
    """
    url = f"http://127.0.0.1:{free_port()}/api"
    data_dir = tmp_path_factory.mktemp("service") / "data"
    running = RunningService(
        data_dir, url, DEPTS="9,31", API_KEYS=KEY, WATCH_TARGETS="json://", RATE_LIMIT_CHANGES="999/minute"
    )
    running.http.headers["X-API-Key"] = KEY
    running.until_ready()
    yield running
    # Ctrl-C, where the life cycle's services are killed and terminated: no process stays either.
    family = running.processes()
    assert running.stop(signal.SIGINT) == 0
    until_gone(family)

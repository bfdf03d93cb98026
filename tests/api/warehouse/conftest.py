import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest
import uvicorn
from archive_files import HOURS_HEADER, Archive, days_of, hours_of, row_of, text_of
from fastapi import FastAPI
from upstream import NOW, Upstream

from api.errors import install_problem_handlers
from api.routes.all_routes import add_reads
from api.warehouse.opening import open_warehouse
from api.warehouse.settings import WarehouseSettings
from ingestion.departments import resolve_all
from ingestion.paths import DataPaths
from orchestration.pipeline import plain_steps, run_pipeline
from orchestration.settings import OrchestrationSettings
from orchestration.snapshots.publish import is_up_to_date, publish_build
from orchestration.snapshots.snapshots import kept_snapshots


def make_app(paths: DataPaths, **limits: Any) -> FastAPI:
    """The read side alone, over one data directory."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with open_warehouse(paths, WarehouseSettings(_env_file=None, **limits)) as reads:
            app.state.warehouse = reads
            yield

    app = FastAPI(lifespan=lifespan)
    install_problem_handlers(app)
    add_reads(app)
    return app


@contextmanager
def serving(app: FastAPI) -> Iterator[httpx.Client]:
    """Serve over real HTTP, on a port of its own."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
        yield client
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="session")
def two_snapshots(upstream_server: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with two snapshots of Ariège and Haute-Garonne, two hours apart; made once."""
    data_dir = tmp_path_factory.mktemp("warehouse") / "data"
    ingestion = upstream_server.settings(data_dir)
    orchestration = OrchestrationSettings(_env_file=None)
    steps = plain_steps(ingestion, orchestration, "a-run", print)
    for hours in (0, 2):
        upstream_server.reset(now=NOW + timedelta(hours=hours), retention_hours=30 + hours)
        assert run_pipeline(resolve_all(["9", "31"]), steps, ingestion, print).is_published
    return data_dir


@pytest.fixture(scope="session")
def warehouse(two_snapshots: Path) -> DataPaths:
    """The same, for tests that only read."""
    return DataPaths(two_snapshots)


def official_days() -> list[dict[str, object]]:
    """TX is the year's last two digits, 91 to 120, less 80; 1 mm a day; 14 July 2020 is 41.0; 2021 has one day."""
    rows = []
    for n in range((date(2021, 1, 1) - date(1991, 1, 1)).days + 1):
        day = date(1991, 1, 1) + timedelta(days=n)
        warmth = 41.0 if day == date(2020, 7, 14) else day.year - 1980
        rows.append(row_of(day, RR="1.0", TX=f"{warmth:.1f}", QTX=9 if day.year == 2021 else 1))
    return rows


@pytest.fixture(scope="session")
def with_archive(two_snapshots: Path, tmp_path_factory: pytest.TempPathFactory) -> DataPaths:
    """A published warehouse whose archive has a post of the list, one that is closed and one with a new number."""
    folder = tmp_path_factory.mktemp("with-archive")
    paths = DataPaths(Path(shutil.copytree(two_snapshots, folder / "data", symlinks=True)))
    archive = Archive(paths, folder / "files")
    closed = [row_of(date(1950, 1, 1), "09999001", NOM_USUEL="ANCIEN POSTE", RR="2.0", TN="-1.0", TX="3.0")]
    archive.load(
        "Q_09_previous-1950-2024_RR-T-Vent.csv.gz", text_of(closed + official_days()), datetime(2025, 1, 1, tzinfo=UTC)
    )
    for post, first, count, modified in (("05127001", 1, 15, 1), ("04033001", 16, 10, 2)):
        renamed = days_of(date(2026, 4, first), count, post, NOM_USUEL="ROUSSET", RR="0.2", TN="4.5", TX="12.5")
        renamed = [row for row in renamed if row["AAAAMMJJ"] != "20260420"]
        name = f"Q_{post[:2]}_latest-2025-2026_RR-T-Vent.csv"
        archive.load(name, text_of(renamed), datetime(2026, 5, modified, tzinfo=UTC))
    hours = hours_of("2004-12-31T22", 5, RR1="0.4", T="5.5", QT=9)
    hours += hours_of("2005-01-01T00", 2, "09999002", NOM_USUEL="POSTE HORAIRE")
    archive.load("H_09_previous-2000-2009.csv.gz", text_of(hours, HOURS_HEADER), datetime(2025, 1, 1, tzinfo=UTC))
    assert not is_up_to_date(paths)
    publish_build(paths, keep=5)
    assert is_up_to_date(paths)
    return paths


@pytest.fixture(scope="session")
def http(with_archive: DataPaths) -> Iterator[httpx.Client]:
    with serving(make_app(with_archive)) as client:
        yield client


@pytest.fixture
def own_warehouse(two_snapshots: Path, data_dir: Path) -> DataPaths:
    """A copy, for tests that delete, damage or roll back."""
    shutil.copytree(two_snapshots, data_dir, symlinks=True)
    return DataPaths(data_dir)


@pytest.fixture(scope="session")
def client(warehouse: DataPaths) -> Iterator[httpx.Client]:
    with serving(make_app(warehouse)) as client:
        yield client


@pytest.fixture
def start() -> Iterator[Callable[..., httpx.Client]]:
    """Serve a data directory with limits of the test's own."""
    yield from _servers()


@pytest.fixture(scope="module")
def start_for_module() -> Iterator[Callable[..., httpx.Client]]:
    """Serve data directories that all tests of a module read."""
    yield from _servers()


def _servers() -> Iterator[Callable[..., httpx.Client]]:
    with ExitStack() as running:

        def serve(paths: DataPaths, **limits: Any) -> httpx.Client:
            return running.enter_context(serving(make_app(paths, **limits)))

        yield serve


@pytest.fixture(scope="session")
def same_file(warehouse: DataPaths, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the served file: one process cannot open the same one in two ways."""
    return Path(shutil.copy(warehouse.published, tmp_path_factory.mktemp("same-file")))


@pytest.fixture(scope="session")
def in_file(same_file: Path) -> Callable[..., list[Any]]:
    """Ask the served file itself, past the service."""

    def ask(sql: str, *params: Any) -> list[Any]:
        with duckdb.connect(str(same_file), read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            return connection.execute(sql, list(params)).fetchall()

    return ask


@pytest.fixture(scope="session")
def snapshot_ids(warehouse: DataPaths) -> list[str]:
    return [manifest.id for manifest in kept_snapshots(warehouse)]

import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest
import uvicorn
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

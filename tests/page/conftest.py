"""A real Chromium that notes what it was asked to load and complained of; the service is in tests/conftest.py."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from chromium import OPTIONS, find_chromium
from fastapi import FastAPI
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, sync_playwright
from running_service import RunningService, client_from
from upstream import NOW, Upstream
from visit import Visit

from api.app import create_app
from api.warehouse.opening import open_warehouse
from api.warehouse.settings import WarehouseSettings
from ingestion.departments import resolve_all
from ingestion.paths import DataPaths
from orchestration.pipeline import plain_steps, run_pipeline
from orchestration.service.service import Service
from orchestration.settings import OrchestrationSettings, get_settings


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Find a browser; without one the tests that need it are skipped."""
    found = find_chromium()
    if found is None:
        pytest.skip("no Chromium on this machine: install Debian's `chromium`, or name one in CHROMIUM")
    return Path(found)


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    """Start it for one module: while Playwright runs, nothing else in the process can `asyncio.run`."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=OPTIONS)
        yield started
        started.close()


@pytest.fixture
def visit(browser: Browser, service: RunningService) -> Iterator[Callable[..., Visit]]:
    """Open browsers; at the end none has complained, and none has asked another origin for anything."""
    visits: list[Visit] = []
    with ExitStack() as open_contexts:

        def begin(**options: Any) -> Visit:
            visits.append(Visit(browser, service, **options))
            open_contexts.callback(visits[-1].context.close)
            return visits[-1]

        yield begin
    assert [complaint for one in visits for complaint in one.complaints] == []
    assert [url for one in visits for url in one.foreign] == []


@pytest.fixture(scope="session")
def published(upstream_server: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with one snapshot of Ariège; no service runs on it."""
    data_dir = tmp_path_factory.mktemp("published") / "data"
    upstream_server.reset(now=NOW, retention_hours=30)
    ingestion = upstream_server.settings(data_dir)
    steps = plain_steps(ingestion, OrchestrationSettings(_env_file=None), "a-run", print)
    assert run_pipeline(resolve_all(["9"]), steps, ingestion, print).is_published
    return data_dir


@pytest.fixture
def serve() -> Iterator[Callable[[Path], TestClient]]:
    """The application over a data directory, without Prefect: nobody answers for it."""
    with ExitStack() as opened:

        def begin(data_dir: Path) -> TestClient:
            app: FastAPI = create_app()
            paths = DataPaths(data_dir)
            app.state.service = Service(resolve_all(["9"]), get_settings(), paths)
            app.state.warehouse = opened.enter_context(open_warehouse(paths, WarehouseSettings(_env_file=None)))
            return client_from("127.0.0.1", app)

        yield begin

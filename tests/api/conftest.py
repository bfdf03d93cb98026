"""Services for the API's tests: a real one in a process of its own, and the bare application."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from running_service import RunningService, client_from, free_port

from api import settings as api_settings
from api.app import create_app
from api.warehouse.router import open_warehouse
from api.warehouse.settings import WarehouseSettings
from ingestion.departments import resolve_all
from ingestion.paths import DataPaths
from orchestration.serving import Service
from orchestration.settings import get_settings


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Give one real service with a first snapshot and a Prefect server of its own: one server serves one directory."""
    url = f"http://127.0.0.1:{free_port()}/api"
    running = RunningService(tmp_path_factory.mktemp("service") / "data", url, RATE_LIMIT_CHANGES="999/minute")
    running.until_ready()
    yield running
    running.stop()


@pytest.fixture(scope="session", autouse=True)
def _no_service_stays() -> Iterator[None]:
    yield
    for service in RunningService.started:
        service.stop()


@pytest.fixture(autouse=True)
def _fresh_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(api_settings.ApiSettings.model_config, "env_file", None)
    for name in ("RATE_LIMIT_CHANGES", "RATE_LIMIT_READS"):
        monkeypatch.delenv(name, raising=False)
    api_settings.get_settings.cache_clear()
    yield
    api_settings.get_settings.cache_clear()


@pytest.fixture
def app(data_dir: Path) -> Iterator[FastAPI]:
    """Give the application with a serving core that was never started: no Prefect server answers it."""
    made = create_app()
    paths = DataPaths(data_dir)
    made.state.service = Service(resolve_all(["9"]), get_settings(), paths)
    with open_warehouse(paths, WarehouseSettings(_env_file=None)) as reads:
        made.state.warehouse = reads
        yield made


@pytest.fixture
def local(app: FastAPI) -> TestClient:
    """Talk to it as a program on this machine does."""
    return client_from("127.0.0.1", app)

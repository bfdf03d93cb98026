"""The bare application for the API's tests; the real service is in tests/conftest.py."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from running_service import client_from

from api import local_peer
from api import settings as api_settings
from api.app import create_app
from api.warehouse.opening import open_warehouse
from api.warehouse.settings import WarehouseSettings
from ingestion.departments import resolve_all
from ingestion.paths import DataPaths
from orchestration.service.service import Service
from orchestration.settings import get_settings


@pytest.fixture(autouse=True)
def _fresh_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(api_settings.ApiSettings.model_config, "env_file", None)
    for name in ("RATE_LIMIT_CHANGES", "RATE_LIMIT_READS"):
        monkeypatch.delenv(name, raising=False)
    # Requests of a TestClient have no connection that the system could name an owner of.
    monkeypatch.setattr(local_peer, "belongs_to_us", lambda *_: True)
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

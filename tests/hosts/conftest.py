"""One real store for the session, a prefix of its own for each test, and hosts: data folders of their own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from run_fixtures import first_run, published
from seaweed import Seaweed, running_seaweed

from ingestion.paths import DataPaths
from orchestration.shelf.shelf import Shelf
from orchestration.shelf.store import open_store

__all__ = ["first_run", "published"]


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """Tests that ask for it carry `pytest.mark.xdist_group("hosts")`, so that one worker starts it."""
    with running_seaweed(tmp_path_factory.mktemp("seaweed")) as seaweed:
        yield seaweed


@pytest.fixture
def shelf_url(seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in seaweed.environment.items():
        monkeypatch.setenv(name, value)
    open_store.cache_clear()
    yield f"s3://girouette/{uuid4().hex}"
    open_store.cache_clear()


@pytest.fixture
def host(shelf_url: str) -> Callable[[Path], Shelf]:
    """Give a host's shelf: the one store, and a data folder of the host's own."""
    return lambda folder: Shelf(open_store(shelf_url), DataPaths(folder), keep=3)

"""One real store for the session, a prefix of its own for each test, and hosts: data folders of their own."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from apart import BEHIND_SECONDS, Day
from namespaces import network
from run_fixtures import first_run, published
from running_hosts import Hosts, Places, running_hosts
from seaweed import Seaweed, running_seaweed
from upstream import Upstream, running_upstream
from watching import Watching

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


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[Upstream, Places]]:
    """The network and, outside it, Météo-France."""
    with network() as made, running_upstream(made.gateway) as upstream:
        yield upstream, Places(made, "reader-a", "reader-b", "reader-c")


@pytest.fixture(scope="module")
def day(world: tuple[Upstream, Places]) -> Iterator[Day]:
    day = Day(world[0])
    yield day
    sys.stdout.write("\n".join(["", "in all:", *day.lines, ""]))


@pytest.fixture(scope="module")
def apart(world: tuple[Upstream, Places], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    upstream, places = world
    settings = {
        **upstream.environment,
        "RATE_LIMIT_READS": "60000/minute",
        "BEHIND_SECONDS": str(BEHIND_SECONDS),
        "SNAPSHOTS_KEEP": "100",
    }
    with running_hosts(tmp_path_factory.mktemp("hosts"), places, **settings) as hosts:
        hosts.until_all_serve(None)
        yield hosts


@pytest.fixture(scope="module")
def watching(apart: Hosts) -> Iterator[Watching]:
    with Watching(apart.readers) as watching:
        yield watching

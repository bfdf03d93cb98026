"""One poller per run, however many follow it."""

import asyncio
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.states import Completed, Pending, Running

from api import run_feed
from api.run_feed import RunFeeds
from ingestion.paths import DataPaths
from orchestration.errors import RunNotFound
from orchestration.progress import note

RUN = uuid.uuid4()


class CountingRuns(SimpleNamespace):
    """A run that is pending, running and completed in turn; counts how often it is asked for."""

    api_url = "http://127.0.0.1:9/api"

    def __init__(self) -> None:
        super().__init__(asked=0, states=[Pending(), Running(), Completed()])

    async def read(self, run_id: uuid.UUID) -> FlowRun:
        if run_id != RUN:
            raise RunNotFound(str(run_id))
        self.asked += 1
        return FlowRun(id=RUN, flow_id=uuid.uuid4(), name="a run", state=self._reached[-1])

    async def history(self, run_id: uuid.UUID) -> list:
        return self._reached

    @property
    def _reached(self) -> list:
        return self.states[: 1 + min(self.asked // 5, 2)]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_feed, "PROGRESS_SECONDS", 0.01)
    monkeypatch.setattr(run_feed, "STATE_SECONDS", 0.01)


async def follow(feeds: RunFeeds, states: int = 0, records: int = 0) -> list[tuple[str, str]]:
    feed = await feeds.open(RUN)
    return [(event.kind, f"{event.states}.{event.records}") async for event in feed.events(states, records)]


def test_two_hundred_followers_ask_prefect_as_often_as_one(data_dir: Path):
    paths = DataPaths(data_dir)
    note(paths, str(RUN), "packet", department="9")
    note(paths, str(RUN), "dbt", nodes=1)
    note(paths, str(RUN), "node", name="stations")
    runs = CountingRuns()

    async def all_of_them() -> list[list[tuple[str, str]]]:
        feeds = RunFeeds(runs, paths)
        return await asyncio.gather(*(follow(feeds) for _ in range(200)))

    seen = asyncio.run(all_of_them())
    assert len({tuple(events) for events in seen}) == 1
    assert [kind for kind, _ in seen[0]].count("state") == 3
    assert {"packet", "node"} < {kind for kind, _ in seen[0]}
    assert seen[0][-1] == ("end", "3.3")
    assert runs.asked < 30


def test_a_follower_that_comes_back_gets_only_what_is_new(data_dir: Path):
    paths = DataPaths(data_dir)
    note(paths, str(RUN), "packet", department="9")
    rest = asyncio.run(follow(RunFeeds(CountingRuns(), paths), states=2, records=1))
    assert rest == [("state", "3.1"), ("end", "3.1")]


def test_polling_ends_with_the_last_follower(data_dir: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(run_feed, "_LINGER_SECONDS", 0.05)
    runs = CountingRuns()
    runs.states = [Pending()] * 3

    async def come_and_go() -> tuple[int, int]:
        feeds = RunFeeds(runs, DataPaths(data_dir))
        events = (await feeds.open(RUN)).events(0, 0)
        await anext(events)
        await events.aclose()
        await asyncio.sleep(0.3)
        asked = runs.asked
        await asyncio.sleep(0.2)
        return asked, runs.asked

    asked, later = asyncio.run(come_and_go())
    assert later == asked


def test_a_run_that_is_not_there_is_told_to_each_follower(data_dir: Path):
    async def ask() -> None:
        feeds = RunFeeds(CountingRuns(), DataPaths(data_dir))
        for _ in range(2):
            with pytest.raises(RunNotFound):
                await feeds.open(uuid.uuid4())

    asyncio.run(ask())

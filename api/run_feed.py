"""One run as it happens, read once and handed to all its followers."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import accumulate
from typing import Any
from uuid import UUID

from prefect.client.schemas.objects import State

from api.schemas.runs import Run, RunState
from ingestion.paths import DataPaths
from orchestration.errors import OrchestrationError, ServerNotReady
from orchestration.progress import Record, read_records
from orchestration.runs.runs import Runs

# Progress is a small file, looked at often; states are asked of Prefect, less often.
PROGRESS_SECONDS = 0.25
STATE_SECONDS = 0.75
_LINGER_SECONDS = 5.0  # after the last follower: one that reconnects finds the feed as it was
_SHOWN = ("packet", "node")

ReadRecords = Callable[[str], list[Record]]


@dataclass(frozen=True)
class Event:
    """What happened, and how many states and records there were then."""

    kind: str
    data: dict[str, Any]
    states: int
    records: int


class RunFeeds:
    """The runs that somebody follows: each is polled by one task, however many follow it."""

    def __init__(self, runs: Runs, paths: DataPaths, read: ReadRecords | None = None) -> None:
        self._runs, self._records = runs, read or partial(read_records, paths)
        self._feeds: dict[UUID, _Feed] = {}

    async def open(self, run_id: UUID) -> "_Feed":
        """Give the run's feed, to read its `events()` soon. Raises RunNotFound or ServerNotReady."""
        feed = self._feeds.get(run_id)
        if feed is None:
            feed = self._feeds[run_id] = _Feed(run_id, self._runs, self._records, self._forget)
        await feed.until_known()
        return feed

    def _forget(self, feed: "_Feed") -> None:
        if self._feeds.get(feed.run_id) is feed:
            del self._feeds[feed.run_id]


class _Feed:
    def __init__(self, run_id: UUID, runs: Runs, records: ReadRecords, forget: Callable[["_Feed"], None]) -> None:
        self.run_id = run_id
        self._runs, self._records, self._forget = runs, records, forget
        self._events: list[Event] = []
        self._states_seen = self._records_seen = 0
        self._changed = asyncio.Event()
        self._is_over = False
        self._followers, self._followed_at = 0, time.monotonic()
        self._known = asyncio.create_task(runs.read(run_id))
        self._task = asyncio.create_task(self._poll())

    async def until_known(self) -> None:
        """Wait until the run was found; raises RunNotFound or ServerNotReady to each who waits."""
        self._followed_at = time.monotonic()
        await asyncio.shield(self._known)

    async def events(self, states_seen: int, records_seen: int) -> AsyncIterator[Event]:
        """Give each event after a position, until the run has ended."""
        at = 0
        self._followers += 1
        try:
            while True:
                changed, is_over = self._changed, self._is_over
                for event in self._events[at:]:
                    at += 1
                    is_new = event.states > states_seen if event.kind == "state" else event.records > records_seen
                    if is_new or event.kind == "end":
                        states_seen, records_seen = max(event.states, states_seen), max(event.records, records_seen)
                        yield Event(event.kind, event.data, states_seen, records_seen)
                if is_over:
                    return
                await changed.wait()
        finally:
            self._followers -= 1
            self._followed_at = time.monotonic()

    async def _poll(self) -> None:
        try:
            await asyncio.shield(self._known)
            next_look = 0.0
            while not self._is_over and (self._followers or time.monotonic() - self._followed_at < _LINGER_SECONDS):
                is_due = time.monotonic() >= next_look
                if is_due:
                    next_look = time.monotonic() + STATE_SECONDS
                await self._look(with_states=is_due)
                await asyncio.sleep(PROGRESS_SECONDS)
        except OrchestrationError:
            pass  # until_known() raises it to followers; later it can only mean that the run was deleted
        finally:
            self._is_over = True
            self._tell()
            self._forget(self)

    async def _look(self, *, with_states: bool) -> None:
        run, states = None, list[State]()
        if with_states:
            try:
                # The run before its history: a run that is over then surely has its last state there.
                run = await self._runs.read(self.run_id)
                states = (await self._runs.history(self.run_id))[self._states_seen :]
            except ServerNotReady:
                run = None  # Prefect is away for a while; the feed outlives it
        # After the state: what a run wrote before its end is then surely seen.
        records = _numbered(await asyncio.to_thread(self._records, str(self.run_id)))[self._records_seen :]
        found: list[tuple[datetime, State | Record]] = [(state.timestamp, state) for state in states]
        # Two threads of dbt may write within a millisecond: the order of the file is the one that is counted.
        times = accumulate((datetime.fromisoformat(record["at"]) for record in records), max)
        found += zip(times, records, strict=True)
        for _, new in sorted(found, key=lambda pair: pair[0]):
            if isinstance(new, State):
                self._states_seen += 1
                self._add("state", RunState.of(new).model_dump(mode="json"))
            else:
                self._records_seen += 1
                if new["kind"] in _SHOWN:
                    self._add(new["kind"], new)
        if run is not None and run.state is not None and run.state.is_final():
            self._add("end", Run(**Run.facts(run, self._runs.api_url)).model_dump(mode="json"))
            self._is_over = True
        if found or self._is_over:
            self._tell()

    def _add(self, kind: str, data: dict[str, Any]) -> None:
        self._events.append(Event(kind, data, self._states_seen, self._records_seen))

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _numbered(records: list[Record]) -> list[Record]:
    """Add to each dbt node which of how many it is."""
    nodes, expected = 0, None
    numbered = []
    for record in records:
        if record["kind"] == "dbt":
            nodes, expected = 0, record["nodes"]
        if record["kind"] == "node":
            nodes += 1
            numbered.append({**record, "n": nodes, "of": expected})
        else:
            numbered.append(record)
    return numbered

"""`GET /runs/{id}/events`: a run as it happens, over Server-Sent Events."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime
from itertools import accumulate
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header
from prefect.client.schemas.objects import State
from sse_starlette import EventSourceResponse, ServerSentEvent

from api.errors import problem_responses
from api.schemas.runs import Run, RunState
from api.service import RunsDep, ServiceDep
from ingestion.paths import DataPaths
from orchestration.errors import ServerNotReady
from orchestration.progress import Record, read_records
from orchestration.runs.runs import Runs

router = APIRouter(prefix="/runs", tags=["runs"])

# Progress is a small file, looked at often; states are asked of Prefect, less often.
PROGRESS_SECONDS = 0.25
STATE_SECONDS = 0.75
_SHOWN = ("packet", "node")

_STREAM: dict[str, Any] = {
    "description": "Events `state`, `packet`, `node` and at last `end`, each with JSON data.",
    "content": {
        "text/event-stream": {
            "example": 'event: node\nid: 2.5\ndata: {"name": "stations", "status": "success", "n": 4, "of": 11}\n\n'
        }
    },
}


@router.get(
    "/{run_id}/events",
    response_class=EventSourceResponse,
    responses={200: _STREAM, **problem_responses(404, 422, 429, 503)},
    summary="Follow a run",
)
async def follow_run(
    run_id: UUID,
    runs: RunsDep,
    service: ServiceDep,
    last_event_id: Annotated[str | None, Header(description="Go on after this event.", max_length=40)] = None,
) -> EventSourceResponse:
    """State changes, packets and dbt nodes as n of m, then the end: `curl -N …/events`.

    Everything so far comes first; a client that reconnects sends Last-Event-ID and gets only what is new.
    """
    await runs.read(run_id)
    return EventSourceResponse(_follow(run_id, runs, service.paths, *_position(last_event_id)), ping=15)


async def _follow(
    run_id: UUID, runs: Runs, paths: DataPaths, states_seen: int, records_seen: int
) -> AsyncIterator[ServerSentEvent]:
    clock = asyncio.get_running_loop().time
    next_look = 0.0
    while True:
        run = None
        states: list[State] = []
        if clock() >= next_look:
            next_look = clock() + STATE_SECONDS
            with suppress(ServerNotReady):  # Prefect is away for a while; the stream outlives it
                # The run before its history: a run that is over then surely has its last state there.
                run = await runs.read(run_id)
                states = (await runs.history(run_id))[states_seen:]
        # After the state: what a run wrote before its end is then surely seen.
        records = _numbered(read_records(paths, str(run_id)))[records_seen:]
        news: list[tuple[datetime, State | Record]] = [(state.timestamp, state) for state in states]
        # Two threads of dbt may write within a millisecond: the order of the file is the one that is counted.
        times = accumulate((datetime.fromisoformat(record["at"]) for record in records), max)
        news += zip(times, records, strict=True)
        for _, new in sorted(news, key=lambda found: found[0]):
            if isinstance(new, State):
                states_seen += 1
                yield _event("state", RunState.of(new).model_dump(mode="json"), states_seen, records_seen)
            else:
                records_seen += 1
                if new["kind"] in _SHOWN:
                    yield _event(new["kind"], new, states_seen, records_seen)
        if run is not None and run.state is not None and run.state.is_final():
            data = Run(**Run.facts(run, runs.api_url)).model_dump(mode="json")
            yield _event("end", data, states_seen, records_seen)
            return
        await asyncio.sleep(PROGRESS_SECONDS)


def _numbered(records: list[Record]) -> list[Record]:
    """Tell of each dbt node which of how many it is."""
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


def _event(kind: str, data: dict[str, Any], states_seen: int, records_seen: int) -> ServerSentEvent:
    # The id says how much of both sources the client has seen.
    return ServerSentEvent(json.dumps(data, ensure_ascii=False), event=kind, id=f"{states_seen}.{records_seen}")


def _position(last_event_id: str | None) -> tuple[int, int]:
    states, _, records = (last_event_id or "").partition(".")
    return (int(states), int(records)) if states.isdecimal() and records.isdecimal() else (0, 0)

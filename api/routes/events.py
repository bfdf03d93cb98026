"""`GET /runs/{id}/events`: a run as it happens, over Server-Sent Events."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header
from sse_starlette import EventSourceResponse, ServerSentEvent

from api.errors import problem_responses
from api.schemas.runs import Run, RunState
from api.service import RunsDep, ServiceDep
from ingestion.paths import DataPaths
from orchestration.errors import OrchestrationError
from orchestration.progress import Record, read_records
from orchestration.runs import Runs

router = APIRouter(prefix="/runs", tags=["runs"])

# Progress is a small file, looked at often; states are asked of Prefect, less often.
PROGRESS_SECONDS = 0.25
STATE_SECONDS = 0.75

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
    nodes = 0
    expected = None
    for record in read_records(paths, str(run_id))[:records_seen]:
        nodes += record["kind"] == "node"
        expected = record["nodes"] if record["kind"] == "dbt" else expected
    next_look = 0.0
    clock = asyncio.get_running_loop().time
    while True:
        is_over = False
        run = None
        if clock() >= next_look:
            next_look = clock() + STATE_SECONDS
            try:
                history = await runs.history(run_id)
                run = await runs.read(run_id)
                is_over = run.state is not None and run.state.is_final()
            except OrchestrationError:
                history = []  # Prefect is away for a while; the stream outlives it
            for state in history[states_seen:]:
                states_seen += 1
                data = RunState.of(state).model_dump(mode="json")
                yield _event("state", data, states_seen, records_seen)
        # After the state: what a run wrote before its end is then surely seen.
        for record in read_records(paths, str(run_id), records_seen):
            records_seen += 1
            nodes += record["kind"] == "node"
            expected = record["nodes"] if record["kind"] == "dbt" else expected
            if event := _of_record(record, nodes, expected, states_seen, records_seen):
                yield event
        if is_over and run is not None:
            data = Run(**Run.facts(run, runs.api_url)).model_dump(mode="json")
            yield _event("end", data, states_seen, records_seen)
            return
        await asyncio.sleep(PROGRESS_SECONDS)


def _of_record(
    record: Record, nodes: int, expected: int | None, states_seen: int, records_seen: int
) -> ServerSentEvent | None:
    if record["kind"] == "packet":
        return _event("packet", record, states_seen, records_seen)
    if record["kind"] == "node":
        data = {**record, "n": nodes, "of": expected}
        return _event("node", data, states_seen, records_seen)
    return None


def _event(kind: str, data: dict[str, Any], states_seen: int, records_seen: int) -> ServerSentEvent:
    # The id says how much of both sources the client has seen.
    return ServerSentEvent(json.dumps(data, ensure_ascii=False), event=kind, id=f"{states_seen}.{records_seen}")


def _position(last_event_id: str | None) -> tuple[int, int]:
    states, _, records = (last_event_id or "").partition(".")
    return (int(states), int(records)) if states.isdecimal() and records.isdecimal() else (0, 0)

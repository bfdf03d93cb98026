"""`GET /runs/{id}/events`: a run as it happens, over Server-Sent Events."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header
from sse_starlette import EventSourceResponse, ServerSentEvent

from api.errors import problem_responses
from api.run_feed import Event
from api.service import FeedsDep

router = APIRouter(prefix="/runs", tags=["runs"])

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
    feeds: FeedsDep,
    last_event_id: Annotated[str | None, Header(description="Go on after this event.", max_length=40)] = None,
) -> EventSourceResponse:
    """State changes, packets and dbt nodes as n of m, then the end: `curl -N …/events`.

    Past events come first. A client that reconnects sends Last-Event-ID and gets only new ones.
    """
    states_seen, records_seen = _position(last_event_id)
    feed = await feeds.open(run_id)
    return EventSourceResponse(_as_sent(feed.events(states_seen, records_seen)), ping=15)


async def _as_sent(events: AsyncIterator[Event]) -> AsyncIterator[ServerSentEvent]:
    async for event in events:
        # The id says how much of both sources the client has seen.
        yield ServerSentEvent(
            json.dumps(event.data, ensure_ascii=False), event=event.kind, id=f"{event.states}.{event.records}"
        )


def _position(last_event_id: str | None) -> tuple[int, int]:
    states, _, records = (last_event_id or "").partition(".")
    return (int(states), int(records)) if states.isdecimal() and records.isdecimal() else (0, 0)

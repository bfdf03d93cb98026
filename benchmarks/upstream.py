"""The demo source behind HTTP with a clock that is moved by hand, so that every run can find an hour that is new.

`python -m benchmarks.upstream PORT HOURS_BACK`; `POST /clock` moves one hour on. Météo-France answers from machines of
its own: whatever was asked for before is made ready as the clock is moved, and costs next to nothing while a run asks.
"""

import sys
from datetime import UTC, datetime, timedelta

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ingestion.demo.app import create_demo_app

TOKEN = "a-token-of-the-benchmarks"
MINUTE = 25  # past the hour: that hour's packet is there


def create_app(hours_back: int) -> Starlette:
    """Make the application, its clock so many hours before now."""
    now = [datetime.now(UTC).replace(minute=MINUTE, second=0, microsecond=0) - timedelta(hours=hours_back)]
    demo = httpx.AsyncClient(
        transport=httpx.ASGITransport(create_demo_app(clock=lambda: now[0], retention_hours=25)),
        base_url="http://demo",
    )
    ready: dict[str, Response] = {}

    async def make_ready(target: str) -> Response:
        answer = await demo.get(target)
        ready[target] = Response(answer.content, answer.status_code, media_type=answer.headers["content-type"])
        return ready[target]

    async def answer(request: Request) -> Response:
        target = f"{request.url.path}?{request.url.query}"
        return ready.get(target) or await make_ready(target)

    async def move(_: Request) -> PlainTextResponse:
        now[0] += timedelta(hours=1)
        for target in list(ready):
            await make_ready(target)
        return PlainTextResponse(now[0].isoformat())

    return Starlette(routes=[Route("/clock", move, methods=["POST"]), Route("/{anything:path}", answer)])


if __name__ == "__main__":
    uvicorn.run(create_app(int(sys.argv[2])), port=int(sys.argv[1]), log_level="warning")

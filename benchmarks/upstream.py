"""The demo source behind HTTP with a clock that is moved by hand, so that every run can find an hour that is new.

`python -m benchmarks.upstream PORT HOURS_BACK`; `POST /clock` moves one hour on.
"""

import sys
from datetime import UTC, datetime, timedelta

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from ingestion.demo.app import create_demo_app

TOKEN = "a-token-of-the-benchmarks"
MINUTE = 25  # past the hour: that hour's packet is there


def create_app(hours_back: int) -> Starlette:
    """Make the application, its clock so many hours before now."""
    now = [datetime.now(UTC).replace(minute=MINUTE, second=0, microsecond=0) - timedelta(hours=hours_back)]

    async def move(_: Request) -> PlainTextResponse:
        now[0] += timedelta(hours=1)
        return PlainTextResponse(now[0].isoformat())

    demo = create_demo_app(clock=lambda: now[0], token=TOKEN, retention_hours=25)
    return Starlette(routes=[Route("/clock", move, methods=["POST"]), Mount("/", demo)])


if __name__ == "__main__":
    uvicorn.run(create_app(int(sys.argv[2])), port=int(sys.argv[1]), log_level="warning")

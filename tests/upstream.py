"""The demo source behind a real HTTP server, so that tests go through the real network stack."""

import asyncio
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn

from ingestion.demo.app import create_demo_app
from ingestion.demo.faults import Fault, FaultKind
from ingestion.departments import resolve_all
from ingestion.ingest import ingest_packet
from ingestion.meteofrance.source import STATION_LIST, plan_requests
from ingestion.settings import IngestionSettings

NOW = datetime(2026, 11, 20, 5, 12, tzinfo=UTC)  # past, as an hour from the future is left out of the marts
TOKEN = "a-token-of-the-tests"


_ON_THE_WIRE = (FaultKind.READ_TIMEOUT, FaultKind.READ_ERROR, FaultKind.STALLED_BODY)


class Upstream:
    """Météo-France as the demo source plays it: at a moment the test sets, with the faults it asks for."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/public/DPPaquetObs"
        self.reset()

    def reset(self, *faults: Fault, now: datetime = NOW, retention_hours: int = 12) -> None:
        """Begin anew: a clock that stands still, no request seen, these faults to come."""
        self.now = now
        self.requests: list[str] = []
        self.network_faults = [fault.kind for fault in faults if fault.kind in _ON_THE_WIRE]
        self.app = create_demo_app(
            clock=lambda: self.now,
            token=TOKEN,
            faults=[fault for fault in faults if fault.kind not in self.network_faults],
            retention_hours=retention_hours,
        )

    @property
    def environment(self) -> Mapping[str, str]:
        """What makes Girouette ask this server."""
        return {
            "METEOFRANCE_URL": self.url,
            "METEOFRANCE_TOKEN": TOKEN,
            "METEOFRANCE_SOURCE": "meteofrance",
            "REQUESTS_PER_MINUTE": "600",
            "MAX_ATTEMPTS": "2",
        }

    def settings(self, data_dir: Path) -> IngestionSettings:
        """The same as settings, for fixtures that outlive a test's environment."""
        told = {name.lower(): value for name, value in self.environment.items()}
        return IngestionSettings(_env_file=None, data_dir=data_dir, **told)  # type: ignore[call-arg, arg-type]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.requests.append(scope["path"])
        if FaultKind.READ_TIMEOUT in self.network_faults:
            while (await receive())["type"] != "http.disconnect":
                await asyncio.sleep(0)
        elif self.network_faults:
            headers = [(b"content-type", b"text/csv"), (b"content-length", b"1000")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            stalls = FaultKind.STALLED_BODY in self.network_faults
            await send({"type": "http.response.body", "body": b"lat;lon;geo_id", "more_body": stalls})
            while stalls and (await receive())["type"] != "http.disconnect":
                await asyncio.sleep(0)
        else:
            await self.app(scope, receive, send)


@contextmanager
def running_upstream() -> Iterator[Upstream]:
    """Serve it from a thread of this process."""
    listening = socket.create_server(("127.0.0.1", 0))
    upstream = Upstream(listening.getsockname()[1])
    server = uvicorn.Server(uvicorn.Config(upstream, lifespan="off", log_level="critical", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield upstream
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()


def ingest_hourly(upstream: Upstream, data_dir: Path, hours: int) -> Path:
    """Ingest two départements at each of the last hours before NOW and at NOW; every request reaches as far back."""
    settings = upstream.settings(data_dir)
    requests = [STATION_LIST, *plan_requests(resolve_all(["65", "66"]), NOW)]
    for back in range(hours, -1, -1):
        upstream.reset(now=NOW - timedelta(hours=back), retention_hours=20 - back)
        for request in requests:
            ingest_packet(settings, request)
    return data_dir

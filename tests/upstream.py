"""The demo source behind a real HTTP server, so that tests go through the real network stack."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from starlette.datastructures import Headers

from ingestion.demo.app import create_demo_app
from ingestion.demo.faults import Fault, FaultKind
from ingestion.departments import resolve_all
from ingestion.ingest import ingest_packet
from ingestion.meteofrance.source import STATION_LIST, plan_requests
from ingestion.settings import IngestionSettings

NOW = datetime(2026, 11, 20, 5, 12, tzinfo=UTC)  # past, as an hour from the future is left out of the marts
TOKEN = "a-token-of-the-tests"
APPLICATION_ID = "YW4tYXBwbGljYXRpb24="


_ON_THE_WIRE = (FaultKind.READ_TIMEOUT, FaultKind.READ_ERROR, FaultKind.STALLED_BODY)


class Upstream:
    """Météo-France as the demo source plays it: at a moment the test sets, with the faults it asks for."""

    def __init__(self, port: int, host: str) -> None:
        self.url = f"http://{host}:{port}/public/DPPaquetObs"
        self.reset()

    def reset(
        self, *faults: Fault, now: datetime = NOW, retention_hours: int = 12, packet_hours: int | None = None
    ) -> None:
        """Begin anew: a clock that stands still, no request seen, these faults to come."""
        self.now = now
        self.requests: list[str] = []
        self.network_faults = [fault.kind for fault in faults if fault.kind in _ON_THE_WIRE]
        self.tokens_given = 0
        self._make_app = lambda token: create_demo_app(
            clock=lambda: self.now,
            token=token,
            faults=[fault for fault in faults if fault.kind not in self.network_faults],
            retention_hours=retention_hours,
            packet_hours=packet_hours,
        )
        self.app = self._make_app(TOKEN)

    def give_token(self, credentials: str) -> tuple[int, bytes]:
        """Answer the portal's address for tokens; the token given before is worth nothing from then on."""
        if credentials != f"Basic {APPLICATION_ID}":
            return 401, b'{"error":"invalid_client"}'
        self.tokens_given += 1
        token = f"{TOKEN}-{self.tokens_given}"
        self.app = self._make_app(token)
        return 200, json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": 3600}).encode()

    def forget_tokens(self) -> None:
        """Let an hour pass: every token given is worth nothing."""
        self.app = self._make_app("none that was given")

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
        if scope["path"] == "/token":
            status, body = self.give_token(Headers(scope=scope).get("authorization", ""))
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": body})
            return
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
def running_upstream(host: str = "127.0.0.1") -> Iterator[Upstream]:
    """Serve it from a thread of this process."""
    listening = socket.create_server((host, 0))
    upstream = Upstream(listening.getsockname()[1], host)
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

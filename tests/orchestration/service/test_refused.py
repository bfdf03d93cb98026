"""A Prefect server that asks for a password."""

import asyncio
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ingestion.departments import resolve_all
from ingestion.paths import DataPaths
from orchestration.errors import ServerRefuses
from orchestration.service import service as service_module
from orchestration.service.service import Service
from orchestration.settings import OrchestrationSettings


class Guarded(BaseHTTPRequestHandler):
    """Is well, as everybody may know, and refuses everything else."""

    def do_GET(self) -> None:
        is_open = self.path == "/api/health"
        body = b"true" if is_open else b"{}"
        self.send_response(200 if is_open else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_server_that_refuses_us_is_told_once(
    paths: DataPaths, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(service_module, "WATCH_SECONDS", 0.2)
    guarded = ThreadingHTTPServer(("127.0.0.1", 0), Guarded)
    threading.Thread(target=guarded.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{guarded.server_port}/api"
    monkeypatch.setenv("PREFECT_API_URL", url)
    serving = Service(resolve_all(["9"]), OrchestrationSettings(_env_file=None, prefect_api_url=url), paths)

    async def serve_for_a_while() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await serving._keep_serving()
        await serving.stop()

    from prefect.settings import PREFECT_API_URL, temporary_settings

    with caplog.at_level(logging.INFO, "girouette.serving"), temporary_settings({PREFECT_API_URL: url}):
        asyncio.run(serve_for_a_while())
    guarded.shutdown()
    guarded.server_close()
    refused = [line.getMessage() for line in caplog.records if "refuses us" in line.getMessage()]
    assert refused == [str(ServerRefuses(url))]
    assert "set PREFECT_API_AUTH_STRING" in refused[0]
    assert caplog.text.count("using the Prefect server") == 1

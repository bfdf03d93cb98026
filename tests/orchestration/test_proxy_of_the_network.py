"""An HTTP proxy in the environment is for the upstream. Nothing on this machine is asked through it."""

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import httpx
import pytest

from orchestration.prefect_server.server import is_answering
from orchestration.settings import export_prefect_settings


class Answering(BaseHTTPRequestHandler):
    """A Prefect server that is well, and a proxy that answers by itself: who was asked is noted."""

    asked: ClassVar[list[tuple[int, str]]] = []

    def do_GET(self) -> None:
        self.asked.append((self.server.server_address[1], self.path))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"true")

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


@pytest.fixture
def ports() -> Iterator[tuple[int, int]]:
    Answering.asked = []
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Answering) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield servers[0].server_port, servers[1].server_port
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("excepted", [None, "intern.example, 10.0.0.1"])
def test_the_proxy_is_asked_for_the_upstream_and_never_for_this_machine(
    ports: tuple[int, int], excepted: str | None, monkeypatch: pytest.MonkeyPatch
):
    prefect, proxy = ports
    for name in ("no_proxy", "NO_PROXY", "PREFECT_API_SSL_CERT_FILE", "DO_NOT_TRACK"):
        monkeypatch.setenv(name, "")  # so that the end of the test takes back what is exported
        monkeypatch.delenv(name)
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy}")
    if excepted:
        monkeypatch.setenv("NO_PROXY", excepted)
    export_prefect_settings()
    assert is_answering(f"http://127.0.0.1:{prefect}/api")
    assert is_answering(f"http://localhost:{prefect}/api")
    httpx.get("http://upstream.example/public")
    assert Answering.asked == [
        (prefect, "/api/health"),
        (prefect, "/api/health"),
        (proxy, "http://upstream.example/public"),
    ]
    if excepted:
        assert os.environ["no_proxy"] == "intern.example,10.0.0.1,127.0.0.1,localhost,::1"
        with pytest.raises(httpx.ConnectError):
            httpx.get("http://intern.example/")

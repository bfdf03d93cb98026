"""Prefect's server is asked again soon when it was busy; anything else it says is taken as said."""

import os
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from orchestration.runs.prefect_client import not_ready, sync_settings
from orchestration.settings import export_prefect_settings, get_settings


class Busy(BaseHTTPRequestHandler):
    """Answers what is left in `answers`, one status after another."""

    answers: list[int]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.answers.pop(0))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    serving = HTTPServer(("127.0.0.1", 0), Busy)
    thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield serving
    serving.shutdown()
    thread.join()
    serving.server_close()


@pytest.mark.parametrize(
    ("answers", "expected", "left"),
    [([503, 503, 201], 201, []), ([409, 201], 409, [201]), ([500, 201], 500, [201]), ([503] * 9, 503, [503])],
)
def test_a_busy_database_is_asked_again(server, answers, expected, left):
    Busy.answers = list(answers)
    with httpx.Client(**sync_settings()) as client:
        answer = client.post(f"http://127.0.0.1:{server.server_port}/flow_runs", json={})
    assert answer.status_code == expected
    assert Busy.answers == left


@pytest.mark.parametrize(
    ("url", "certificates"), [("http://127.0.0.1:4299/api", 1), ("https://prefect.example.org/api", None)]
)
def test_prefect_reads_one_certificate_where_it_needs_none(url: str, certificates: int | None, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", url)
    # Set and removed, so that the end of the test takes back what is exported here.
    monkeypatch.setenv("PREFECT_API_SSL_CERT_FILE", "")
    monkeypatch.delenv("PREFECT_API_SSL_CERT_FILE")
    get_settings.cache_clear()
    export_prefect_settings()
    get_settings.cache_clear()
    file = os.environ.get("PREFECT_API_SSL_CERT_FILE")
    assert (file and len(ssl.create_default_context(cafile=file).get_ca_certs())) == certificates


def test_a_server_that_refuses_us_is_told_with_the_setting_to_mend(server):
    url = f"http://127.0.0.1:{server.server_port}/api"
    Busy.answers = [401, 404]
    told = []
    with httpx.Client(**sync_settings()) as client:
        for _ in range(2):
            with pytest.raises(httpx.HTTPStatusError) as caught:
                client.post(f"{url}/flow_runs", json={}).raise_for_status()
            told.append(str(not_ready(url, caught.value)))
    assert told[0].startswith(
        f"the Prefect server at {url} is not ready: it refuses us (401 Unauthorized): set PREFECT_"
    )
    assert "404" in told[1]

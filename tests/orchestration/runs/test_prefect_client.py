"""Prefect's server is asked again soon when it was busy; anything else it says is taken as said."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from orchestration.runs.prefect_client import ServerClock, sync_settings


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
    ("ahead", "expected"), [(0, 0), (-3600, -3600), (-5, 0), (3600, 0)], ids=["right", "behind", "slow", "ahead"]
)
def test_the_time_is_the_servers_when_it_is_clearly_behind(ahead: int, expected: int):
    clock, now = ServerClock(), datetime.now(UTC)
    dated = httpx.Response(200, headers={"date": format_datetime(now + timedelta(seconds=ahead), usegmt=True)})
    asyncio.run(clock.compare(dated))
    asyncio.run(clock.compare(httpx.Response(200)))  # tells nothing
    assert (clock.now() - now).total_seconds() == pytest.approx(expected, abs=2)


def test_a_server_was_heard_when_it_answered_well():
    clock = ServerClock()
    assert not clock.was_heard_within(3600)
    asyncio.run(clock.compare(httpx.Response(503)))
    assert not clock.was_heard_within(3600)
    asyncio.run(clock.compare(httpx.Response(200)))
    assert clock.was_heard_within(3600)
    assert not clock.was_heard_within(0)

import asyncio
import os
import signal
import time
from email.utils import parsedate_to_datetime

import httpx
import pytest
import uvicorn

from orchestration import ticks
from orchestration.ticks import tick_less_often


async def hello(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


class CountingServer(uvicorn.Server):
    ticks = 0

    async def on_tick(self, counter):
        self.ticks += 1
        return await super().on_tick(counter)


@pytest.fixture
def patient(monkeypatch):
    monkeypatch.setattr(uvicorn.Server, "main_loop", uvicorn.Server.main_loop)  # put back afterwards
    monkeypatch.setattr(uvicorn.Server, "should_exit", None, raising=False)
    tick_less_often()


async def started_server():
    server = CountingServer(uvicorn.Config(hello, port=0, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    return server, serving


def test_a_server_looks_up_once_a_second_and_dates_its_answers(patient):
    async def serve():
        server, serving = await started_server()
        started = time.time()
        await asyncio.sleep(3.2)
        ticks = server.ticks
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient() as client:
            dated = parsedate_to_datetime((await client.get(f"http://127.0.0.1:{port}")).headers["date"]).timestamp()
        assert dated > started
        server.should_exit = True
        await asyncio.wait_for(serving, 10)
        return ticks

    assert 2 <= asyncio.run(serve()) <= 4


def test_a_server_that_is_told_ends_before_it_looks_up(patient, monkeypatch):
    monkeypatch.setattr(ticks, "_SECONDS", 600)
    # It raises the signal again once it has ended.
    monkeypatch.setattr(uvicorn.server.signal, "raise_signal", lambda _: None)

    async def serve():
        _, serving = await started_server()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(serving, 10)

    asyncio.run(serve())

import asyncio
import time
from email.utils import parsedate_to_datetime

import httpx
import pytest
import uvicorn

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
    tick_less_often()


def test_a_server_looks_up_twice_a_second_dates_its_answers_and_ends_when_told(patient):
    async def serve():
        server = CountingServer(uvicorn.Config(hello, port=0, lifespan="off", log_config=None))
        serving = asyncio.create_task(server._serve())
        while not server.started:
            await asyncio.sleep(0.01)
        started = time.time()
        await asyncio.sleep(2.2)
        ticks = server.ticks
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient() as client:
            dated = parsedate_to_datetime((await client.get(f"http://127.0.0.1:{port}")).headers["date"]).timestamp()
        assert dated > started
        server.should_exit = True
        await asyncio.wait_for(serving, 10)
        return ticks

    assert 2 <= asyncio.run(serve()) <= 6

"""One caller's reads leave a place for everybody else's."""

import asyncio
import threading
from contextlib import ExitStack

import pytest
from fastapi import Request

from api.warehouse.answer.formats import JSON
from api.warehouse.answer.outgoing import Outgoing
from api.warehouse.answer.reads import Reads
from api.warehouse.answer.render import Document
from api.warehouse.opening import open_warehouse
from api.warehouse.problems import Busy, TooMuchUnread
from api.warehouse.settings import WarehouseSettings
from ingestion.paths import DataPaths

pytestmark = pytest.mark.xdist_group("warehouse")


def request_from(address: str, **state: object) -> Request:
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [], "client": (address, 1)}
    scope["state"] = {"held": ExitStack(), **state}
    return Request({**scope, "server": ("127.0.0.1", 80), "scheme": "http", "root_path": ""})


async def ask_slowly_and_beside(reads: Reads) -> None:
    may_end = threading.Event()

    def slow(*_: object) -> Document:
        may_end.wait(20)
        return Document({})

    async def ask(address: str, work: object) -> int:
        return (await reads.answer(request_from(address), work, JSON)).status_code

    first, second = (asyncio.create_task(ask("203.0.113.7", slow)) for _ in range(2))
    assert await asyncio.wait_for(ask("203.0.113.8", lambda *_: Document({})), 10) == 200
    with pytest.raises(Busy):
        await second
    # Nor does anybody wait for an answer that the slow caller asked for and has no place for.
    key = ("/", b"", "", "")
    mine = asyncio.create_task(reads.answer(request_from("203.0.113.7", read_key=key), slow, JSON))
    await asyncio.sleep(0.05)
    assert await asyncio.wait_for(reads.find(key), 0.1) is None
    with pytest.raises(Busy):
        await mine
    # A page, a list or a download takes of the same share.
    with pytest.raises(Busy):
        await reads.in_thread(request_from("203.0.113.7"), lambda: None)
    may_end.set()
    assert await first == 200


def test_one_callers_slow_reads_do_not_keep_others_waiting(own_warehouse: DataPaths) -> None:
    limits = WarehouseSettings(_env_file=None, read_concurrency=2, read_queue_seconds=0.3)
    with open_warehouse(own_warehouse, limits) as reads:
        asyncio.run(ask_slowly_and_beside(reads))


def test_large_answers_that_nobody_takes_have_a_bound() -> None:
    megabyte = 2**20
    outgoing = Outgoing(most=8 * megabyte)
    slow = ExitStack()
    slow.enter_context(outgoing.hold("203.0.113.7", 3 * megabyte))
    with pytest.raises(TooMuchUnread, match="3 MB of them wait for you"):
        outgoing.hold("203.0.113.7", 2 * megabyte).__enter__()
    with outgoing.hold("203.0.113.7", 1000), outgoing.hold("203.0.113.8", 20 * megabyte):
        pass  # small ones always, and one of any size by another caller
    slow.close()
    with outgoing.hold("203.0.113.7", 4 * megabyte):
        pass


def test_a_large_answer_is_counted_until_it_is_sent(own_warehouse: DataPaths) -> None:
    def large(*_: object) -> Document:
        return Document("x" * 3_000_000)

    async def ask(reads: Reads) -> None:
        reads.outgoing = Outgoing(most=4 * 2**20)
        first = request_from("203.0.113.7")
        await reads.answer(first, large, JSON)
        with pytest.raises(TooMuchUnread):
            await reads.answer(request_from("203.0.113.7"), large, JSON)
        first.state.held.close()  # as the middleware does once it is sent
        assert (await reads.answer(request_from("203.0.113.7"), large, JSON)).status_code == 200

    with open_warehouse(own_warehouse, WarehouseSettings(_env_file=None)) as reads:
        asyncio.run(ask(reads))

"""One caller's reads leave a place for everybody else's."""

import asyncio
import threading

import pytest
from fastapi import Request

from api.warehouse.answer.formats import JSON
from api.warehouse.answer.reads import Reads
from api.warehouse.answer.render import Document
from api.warehouse.opening import open_warehouse
from api.warehouse.problems import Busy
from api.warehouse.settings import WarehouseSettings
from ingestion.paths import DataPaths


def request_from(address: str) -> Request:
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [], "client": (address, 1)}
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
    may_end.set()
    assert await first == 200


def test_one_callers_slow_reads_do_not_keep_others_waiting(own_warehouse: DataPaths) -> None:
    limits = WarehouseSettings(_env_file=None, read_concurrency=2, read_queue_seconds=0.3)
    with open_warehouse(own_warehouse, limits) as reads:
        asyncio.run(ask_slowly_and_beside(reads))

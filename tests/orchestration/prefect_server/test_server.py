import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ingestion.paths import DataPaths
from orchestration.errors import PortTaken, ServerNotReady
from orchestration.prefect_server.port_owner import describe_owner
from orchestration.prefect_server.server import ensure_server, start_server, stop_server
from orchestration.settings import ROOT


@pytest.fixture
def taken_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_a_port_taken_by_another_program_is_told_with_its_owner(paths: DataPaths, taken_port: int):
    with pytest.raises(PortTaken, match=rf"process {os.getpid()} .*PREFECT_API_URL="):
        ensure_server(f"http://127.0.0.1:{taken_port}/api", paths, print)


def test_a_free_port_has_no_owner(taken_port: int):
    assert describe_owner(f"http://127.0.0.1:{taken_port}/api") is not None
    assert describe_owner("http://127.0.0.1:9/api") is None


def test_a_server_that_cannot_start_names_its_log(paths: DataPaths, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PREFECT_API_DATABASE_CONNECTION_URL", "sqlite+aiosqlite:////proc/nothing/prefect.db")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/api"
    with pytest.raises(ServerNotReady, match=r"prefect-server\.log"):
        ensure_server(url, paths, print)
    assert Path(paths.logs / "prefect-server.log").read_text()


_GARBAGE = """
import threading, time
from orchestration.prefect_server import server_shortcuts

class Cycle:
    def __init__(self):
        self.itself = self
    def __del__(self):
        where.add(threading.current_thread().name)

where = set()
server_shortcuts._GARBAGE_SECONDS, server_shortcuts._GARBAGE_OBJECTS = 0.05, 100
server_shortcuts.collect_garbage_aside(lambda: True, 1)
deadline = time.monotonic() + 20
while not where and time.monotonic() < deadline:
    kept = [Cycle() for _ in range(2000)]  # enough for many collections, were they made here
    time.sleep(0.01)
print(*where)
"""


def test_garbage_is_collected_beside_the_event_loop():
    ended = subprocess.run([sys.executable, "-c", _GARBAGE], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ended.stdout.split() == ["garbage"]


_LATE = """
import asyncio, json
from pathlib import Path
from burner_redis import BurnerRedis
from orchestration.prefect_server.server_shortcuts import let_queue_be_late

def slack():
    threads = [thread.name for thread in Path("/proc/self/task").iterdir()]
    return {thread: int(Path(f"/proc/{thread}/timerslack_ns").read_text()) for thread in threads}

async def use():
    queue = BurnerRedis()
    waiting = asyncio.ensure_future(queue.blpop("queue", timeout=60))
    await asyncio.sleep(0.1)
    await queue.rpush("queue", "put in")
    taken = (await waiting)[1].decode()
    await queue.set("short", "lived", px=50)
    await asyncio.sleep(0.1)
    return taken, await queue.get("short")

before = slack()
let_queue_be_late()
print(json.dumps([before, slack(), asyncio.run(use())]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the timers of other systems know no such option")
def test_only_the_timers_of_prefects_queue_may_be_late():
    ended = subprocess.run([sys.executable, "-c", _LATE], capture_output=True, text=True, check=True, cwd=ROOT)
    before, after, used = json.loads(ended.stdout)
    assert {thread: after[thread] for thread in before} == before
    assert {nanoseconds for thread, nanoseconds in after.items() if thread not in before} == {1_000_000_000}
    assert used == ["put in", None]


def test_a_server_stopped_while_it_makes_its_database_leaves_no_process_behind(paths: DataPaths):
    server = start_server("http://127.0.0.1:9/api", paths)
    database = paths.root / "prefect" / "prefect.db"
    while not database.exists():
        assert server.poll() is None
        time.sleep(0.01)
    [maker] = psutil.Process(server.pid).children()
    stop_server(server)
    maker.wait(1)

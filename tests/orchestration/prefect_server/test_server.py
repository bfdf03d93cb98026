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
from orchestration.prefect_server import __main__ as prefect_server_main
from orchestration.prefect_server.port_owner import describe_owner
from orchestration.prefect_server.server import ensure_server, start_server, stop_server
from orchestration.settings import ROOT, get_settings


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
from orchestration.prefect_server import garbage

class Cycle:
    def __init__(self):
        self.itself = self
    def __del__(self):
        where.add(threading.current_thread().name)

where = set()
garbage.collect_in_a_thread()
deadline = time.monotonic() + 20
while not where and time.monotonic() < deadline:
    kept = [Cycle() for _ in range(20_000)]  # enough for many automatic collections
    time.sleep(0.1)
print(*where)
"""


def test_garbage_is_collected_outside_the_event_loops_thread():
    ended = subprocess.run([sys.executable, "-c", _GARBAGE], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ended.stdout.split() == ["garbage"]


@pytest.mark.parametrize(
    ("database", "threads"),
    [
        ("sqlite+aiosqlite:////proc/nothing/prefect.db", ["garbage"]),
        ("postgresql+asyncpg://nobody@127.0.0.1:9/none", []),
    ],
)
def test_garbage_has_its_thread_only_where_prefects_database_is_sqlite(
    tmp_path: Path, database: str, threads: list[str]
):
    script = """
import runpy, threading
runpy.run_module = lambda *_, **__: print(*[t.name for t in threading.enumerate() if t.name == "garbage"])
from orchestration.prefect_server.__main__ import main
main()
"""
    environment = os.environ | {
        "PREFECT_API_DATABASE_CONNECTION_URL": database,
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
        "DATA_DIR": str(tmp_path),
    }
    command = [sys.executable, "-c", script]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=ROOT)
    assert ended.stdout.split() == threads


@pytest.mark.slow
def test_a_server_stopped_while_it_makes_its_database_leaves_no_process_behind(paths: DataPaths):
    server = start_server("http://127.0.0.1:9/api", paths)
    database = paths.root / "prefect" / "prefect.db"
    while not database.exists():
        assert server.poll() is None
        time.sleep(0.01)
    process = psutil.Process(server.pid)
    stop_server(server)
    assert not process.is_running()
    assert not [child for child in psutil.Process().children(recursive=True) if child.pid == server.pid]


@pytest.mark.parametrize(
    ("database", "seconds", "is_alone"),
    [(None, "PT60S", True), ("postgresql+asyncpg://prefect:secret@db/prefect", None, False)],
)
def test_what_is_for_sqlite_is_left_out_on_postgres(database, seconds, is_alone, paths, monkeypatch):
    environment = {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
    if database:
        environment["PREFECT_API_DATABASE_CONNECTION_URL"] = database
    monkeypatch.setattr(os, "environ", environment)
    get_settings.cache_clear()
    prefect_server_main.export_settings("http://127.0.0.1:9/api", paths)
    assert environment.get("PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY") == seconds
    assert environment["PREFECT_API_DATABASE_CONNECTION_URL"].startswith("sqlite") is is_alone
    assert prefect_server_main.is_sqlite() is is_alone
    assert environment["PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED"] == "events,flow_runs"  # on both
    assert environment["PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"].endswith(".filesystem")

import os
import socket
from pathlib import Path

import pytest

from ingestion.paths import DataPaths
from orchestration.errors import PortTaken, ServerNotReady
from orchestration.port_owner import describe_owner
from orchestration.server import ensure_server


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

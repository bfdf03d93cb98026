"""What a service of many months keeps small by itself."""

import os

import pytest

from ingestion.paths import DataPaths
from orchestration.progress import note
from orchestration.service import tidy as module
from orchestration.service.tidy import tidy


@pytest.fixture
def logs(paths: DataPaths, monkeypatch: pytest.MonkeyPatch) -> DataPaths:
    monkeypatch.setattr(module, "LOG_BYTES", 100)
    paths.logs.mkdir(parents=True)
    return paths


def test_a_log_that_grew_keeps_its_end_beside_it_and_goes_on(logs: DataPaths):
    log = logs.logs / "runs.log"
    with log.open("ab", buffering=0) as writer:  # as run processes and our Prefect server write
        writer.write(b"a" * 60 + b"b" * 60)
        tidy(logs)
        assert (log.read_bytes(), log.with_name("runs.log.1").read_bytes()) == (b"", b"a" * 40 + b"b" * 60)
        writer.write(b"next")
    assert log.read_bytes() == b"next"


def test_a_small_log_is_left(logs: DataPaths):
    (logs.logs / "prefect-server.log").write_bytes(b"a" * 100)
    tidy(logs)
    assert [(file.name, file.stat().st_size) for file in logs.logs.iterdir()] == [("prefect-server.log", 100)]


def test_records_of_runs_long_gone_are_deleted(logs: DataPaths):
    for name in ("old", "new"):
        note(logs, name, "node")
    os.utime(logs.run_records / "old.jsonl", (0, 0))
    tidy(logs)
    assert [file.stem for file in logs.run_records.iterdir()] == ["new"]


def test_nothing_there_yet_is_no_fault(paths: DataPaths):
    tidy(paths)

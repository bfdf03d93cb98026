"""The build file held open over several steps: one database for all of them, and nobody else's meanwhile."""

import subprocess
import sys

import pytest

from ingestion.paths import DataPaths
from ingestion.raw_store import connect, kept_open

_MADE = "create table made (n integer); insert into made values (7)"


def opens_elsewhere(paths: DataPaths) -> bool:
    script = "import duckdb, sys; duckdb.connect(sys.argv[1], read_only=True).execute('from made').fetchall()"
    asked = subprocess.run([sys.executable, "-c", script, str(paths.build_file)], capture_output=True, check=False)
    return asked.returncode == 0


@pytest.fixture
def build_file(paths: DataPaths) -> DataPaths:
    paths.build_file.parent.mkdir(parents=True)
    return paths


def test_steps_share_what_is_kept_open_and_it_is_free_afterwards(build_file: DataPaths) -> None:
    with kept_open(build_file):
        with connect(build_file.build_file) as step:
            step.execute(_MADE)
        with connect(build_file.build_file) as next_step:
            assert next_step.execute("from made").fetchall() == [(7,)]
        log = build_file.build_file.with_name("warehouse.duckdb.wal")
        assert log.exists(), "the first step closed the file after all"
        assert not opens_elsewhere(build_file)
    assert not log.exists()
    assert opens_elsewhere(build_file)


def test_a_relative_and_an_absolute_name_are_one_file(build_file: DataPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(build_file.root)
    with kept_open(build_file), connect(build_file.build_file) as step:
        step.execute(_MADE)
        with connect(build_file.build_file.relative_to(build_file.root)) as other:
            assert other.execute("from made").fetchall() == [(7,)]


def fail_meanwhile(paths: DataPaths) -> None:
    with kept_open(paths), connect(paths.build_file) as step:
        step.execute(_MADE)
        raise KeyError


def test_a_step_that_fails_frees_the_file(build_file: DataPaths) -> None:
    with pytest.raises(KeyError):
        fail_meanwhile(build_file)
    assert opens_elsewhere(build_file)

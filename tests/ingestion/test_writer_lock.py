"""The lock between processes: waiting, saying for whom, and dying with the holder."""

import os
import subprocess
import sys
import textwrap

import pytest

from ingestion.writer_lock import writer_lock

HOLDER = textwrap.dedent("""
    import sys
    from pathlib import Path
    from ingestion.paths import DataPaths
    from ingestion.writer_lock import writer_lock

    def say(line):
        print(line, flush=True)

    with writer_lock(DataPaths(Path(sys.argv[1])), sys.argv[2], say):
        say("held")
        sys.stdin.readline()
    say("released")
""")


@pytest.fixture
def hold(data_dir):
    """Start a process that takes the lock and holds it until it reads a line."""
    started = []

    def start(purpose):
        command = [sys.executable, "-c", HOLDER, str(data_dir), purpose]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_second_process_waits_and_says_for_whom(hold, paths):
    first = hold("a run of the pipeline")
    assert first.stdout.readline() == "held\n"
    second = hold("python -m ingestion")
    waiting = second.stdout.readline()
    assert waiting.startswith(f"waiting for a run of the pipeline (process {first.pid}, since ")
    assert waiting.endswith(f") to finish writing {paths.build_file}\n")
    assert second.poll() is None
    first.stdin.write("\n")
    first.stdin.flush()
    assert first.stdout.readline() == "released\n"
    assert second.stdout.readline() == "held\n"


def test_the_lock_is_free_after_its_holder_was_killed(hold, paths):
    holder = hold("a run of the pipeline")
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.wait()
    said = []
    with writer_lock(paths, "the next one", said.append):
        assert said == []


def test_a_waiter_that_cannot_read_the_signature_still_waits(hold, paths):
    holder = hold("a run of the pipeline")
    assert holder.stdout.readline() == "held\n"
    paths.lock_file.with_suffix(".json").write_text("{")
    waiter = hold("the next one")
    assert waiter.stdout.readline().startswith("waiting for another process to finish")
    holder.stdin.write("\n")
    holder.stdin.flush()
    assert waiter.stdout.readline() == "held\n"


def test_the_lock_is_released_when_its_holder_fails(paths):
    with pytest.raises(RuntimeError), writer_lock(paths, "one that fails", print):
        raise RuntimeError
    said = []
    with writer_lock(paths, "the next one", said.append):
        assert str(os.getpid()) in paths.lock_file.with_suffix(".json").read_text()
    assert said == []

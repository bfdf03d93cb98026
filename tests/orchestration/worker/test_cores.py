"""Runs and Prefect's server leave a core to readers, where there is more than one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from running_service import cores_of

from ingestion.paths import DataPaths
from orchestration.service.health import Health
from orchestration.service.watched_server import WatchedServer
from orchestration.settings import get_settings

_SCRIPT = """
import os, subprocess, sys
os.sched_setaffinity(0, [int(core) for core in sys.argv[1:]])
from orchestration.worker.cores import leave_a_core_to_readers
leave_a_core_to_readers()
print(*sorted(os.sched_getaffinity(0)), end=";")
sys.stdout.flush()
subprocess.run([sys.executable, "-c", "import os; print(*sorted(os.sched_getaffinity(0)))"], check=True)
"""


def left_by(*cores: int) -> tuple[str, str]:
    """What a process with these cores keeps, and one that it starts."""
    command = [sys.executable, "-c", _SCRIPT, *map(str, cores)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    own, started = said.strip().split(";")
    return own, started


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="with one core there is none to leave")
def test_the_first_core_is_left_to_readers():
    first, *others = sorted(os.sched_getaffinity(0))
    assert left_by(first, *others) == (" ".join(map(str, others)),) * 2


def test_the_only_core_is_used():
    last = max(os.sched_getaffinity(0))
    assert left_by(last) == (str(last), str(last))


# Threads, each of which the kernel asks by itself.
_THREADS = "import threading; threading.Thread(target=input).start(); print(flush=True); input()"


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="with one core there is none to leave")
def test_prefects_server_leaves_a_core_only_to_those_who_read(data_dir: Path):
    watched = WatchedServer(get_settings(), DataPaths(data_dir), Health(), print)
    watched.share_cores(has_readers=True)  # a server elsewhere is none of our business
    every = os.sched_getaffinity(0)
    with subprocess.Popen([sys.executable, "-c", _THREADS], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        server.stdout.readline()
        watched.child = server
        for has_readers, cores in ((False, every), (True, every - {min(every)}), (False, every)):
            watched.share_cores(has_readers=has_readers)
            assert cores_of(server.pid) == [cores, cores]
        server.communicate(b"\n\n")
    watched.share_cores(has_readers=True)  # one that has ended keeps no run from starting

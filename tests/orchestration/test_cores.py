"""Runs leave a core to readers, where there is more than one."""

import os
import subprocess
import sys

import pytest

_SCRIPT = """
import os, subprocess, sys
os.sched_setaffinity(0, [int(core) for core in sys.argv[1:]])
from orchestration.cores import leave_a_core_to_readers
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

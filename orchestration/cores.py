"""Which cores a run and Prefect's server may use: all but one, which is left to whoever reads meanwhile."""

import os
import sys
from contextlib import suppress
from pathlib import Path


def leave_a_core_to_readers(pid: int = 0) -> None:
    """Keep a process (0: this thread), and what it starts from now on, off the first of the cores we may use.

    Where others' threads stand on every core, a reader's answer waits for the kernel to take one of them off, 3 ms or
    more whatever the priorities. With one core, or where there is no such call, nothing is changed.
    """
    if sys.platform == "linux":
        cores = sorted(os.sched_getaffinity(0))
        _keep_on(pid, cores[1:] or cores)


def use_all_cores(pid: int) -> None:
    """Let a process use all the cores we may use."""
    if sys.platform == "linux":
        _keep_on(pid, sorted(os.sched_getaffinity(0)))


def _keep_on(pid: int, cores: list[int]) -> None:
    # To the kernel each thread is one by itself. Some end meanwhile, and not every system lets us choose for them.
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir() if pid else [Path("0")]:
            with suppress(OSError):
                os.sched_setaffinity(int(thread.name), cores)

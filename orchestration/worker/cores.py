"""Which cores a run and Prefect's server may use: all but one, which is left to whoever reads meanwhile."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Literal


def leave_a_core_to_readers(process: int | Literal["self"] = "self") -> None:
    """Keep a process, and all that it starts from now on, off the first of the cores we may use.

    Where others' threads stand on every core, a reader's answer waits for the kernel to take one of them off, 3 ms or
    more whatever the priorities. With one core, or where there is no such call, nothing is changed.
    """
    _use_cores(process, left=1)


def use_all_cores(process: int) -> None:
    """Let a process use all the cores we may use."""
    _use_cores(process, left=0)


def _use_cores(process: int | str, *, left: int) -> None:
    if sys.platform != "linux":
        return
    cores = sorted(os.sched_getaffinity(0))
    # To the kernel each thread is one by itself. Some end meanwhile, and not every system lets us choose for them.
    with suppress(OSError):
        for thread in Path(f"/proc/{process}/task").iterdir():
            with suppress(OSError):
                os.sched_setaffinity(int(thread.name), cores[left:] or cores)

"""Keep runs and the Prefect server off one core, so that readers do not wait for them."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Literal


def leave_a_core_to_readers(process: int | Literal["self"] = "self") -> None:
    """Keep a process and its later children off the first core we may use.

    When every core is busy, a reader waits 3 ms or more for the kernel to preempt, whatever the priorities.
    Does nothing with one core, or outside Linux.
    """
    _use_cores(process, left=1)


def use_all_cores(process: int) -> None:
    _use_cores(process, left=0)


def _use_cores(process: int | str, *, left: int) -> None:
    if sys.platform != "linux":
        return
    cores = sorted(os.sched_getaffinity(0))
    # Linux sets affinity per thread. A thread may end meanwhile, and the system may refuse.
    with suppress(OSError):
        for thread in Path(f"/proc/{process}/task").iterdir():
            with suppress(OSError):
                os.sched_setaffinity(int(thread.name), cores[left:] or cores)

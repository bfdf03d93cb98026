"""Which cores a run may use: all but one, which is left to whoever reads meanwhile."""

import os
import sys


def leave_a_core_to_readers() -> None:
    """Keep this thread, and all that it starts from now on, off the first of the cores it may use.

    Where a run's threads stand on every core, a reader's answer waits for the kernel to take one of them off, 3 ms or
    more whatever the priorities. With one core, or where there is no such call, nothing is changed.
    """
    if sys.platform != "linux":
        return
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[1:] or cores)

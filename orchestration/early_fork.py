"""The forkserver as a fork of the service while it starts: what both have imported is then in memory once.

`multiprocessing` starts one as a new interpreter, which imports all of it again: 60 MB, and seconds of the start.
"""

import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from multiprocessing import forkserver, resource_tracker, util

_FIRST_FD = 3  # after standard input, output and error


def fork_early() -> None:
    """Start the forkserver by a fork, where nothing forbids it; else `multiprocessing` starts it when it is needed.

    To be called before anything is opened: files and sockets of the service are closed in the fork.
    """
    if sys.platform != "linux" or threading.active_count() > 1:  # a lock another thread holds would be held for ever
        return
    gc.collect()
    gc.freeze()  # a collection in either process would write to what they share, and so copy it
    spawn_process = util.spawnv_passfds
    util.spawnv_passfds = _fork  # type: ignore[assignment]
    try:
        forkserver.ensure_running()
    finally:
        util.spawnv_passfds = spawn_process


def leave_out_tracker() -> None:
    """Keep `multiprocessing` from starting its resource tracker: 8 MB to clean up after what nobody here makes."""
    tracker = vars(resource_tracker._resource_tracker)
    if tracker["_fd"] is None:
        tracker["_fd"] = os.open(os.devnull, os.O_WRONLY)


def _fork(_program: str, arguments: Sequence[bytes | str], kept: Sequence[int]) -> int:
    """Do in a fork what a new interpreter would be told to with `-c`; return its pid."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if pid := os.fork():
        return pid
    code = 0
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the service's terminal is the service's to handle
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _close_all_but(kept)
        exec(arguments[-1], {})  # noqa: S102 - a line of multiprocessing's own
    except SystemExit:
        pass
    except BaseException:  # whatever it is must not run on into the service's own code
        traceback.print_exc()
        code = 1
    finally:
        os._exit(code)


def _close_all_but(kept: Sequence[int]) -> None:
    begin = _FIRST_FD
    for descriptor in sorted(kept):
        os.closerange(begin, descriptor)
        begin = descriptor + 1
    os.closerange(begin, os.sysconf("SC_OPEN_MAX"))

"""A work-around for a deadlock of Prefect's server on SQLite (seen with Prefect 3.9.1 and aiosqlite 0.22).

Collecting an unclosed SQLite cursor blocks on its connection. That connection may wait for a transaction of another
one, and only the event loop can finish that. Where the garbage collector runs in the event loop's thread, the server
stands still until SQLite gives up, half a minute later. So collect in another thread.

To bring it about: `python -m benchmarks.server_stalls`, which runs a server without and with this file under a load
of writers and prints the longest silence of each. When the first figure stays below a second, delete this file.
Postgres does not need it.
"""

import gc
import threading
import time

_SECONDS = 1.0
_NEW_OBJECTS = 20_000


def collect_in_a_thread() -> None:
    """Turn the automatic collection off and collect in a thread, from some thousand new objects on."""
    gc.disable()

    def collect() -> None:
        while True:
            time.sleep(_SECONDS)
            if gc.get_count()[0] > _NEW_OBJECTS:
                gc.collect()

    threading.Thread(target=collect, name="garbage", daemon=True).start()

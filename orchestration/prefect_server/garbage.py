"""A work-around for a deadlock of Prefect's server on SQLite (seen with Prefect 3.9.1 and aiosqlite 0.22).

Collecting an unclosed SQLite cursor blocks on its connection. That connection may wait for another's
transaction, which only the event loop can finish. If the collector runs in the event loop's thread, the server hangs
until SQLite times out, half a minute later. So collect in another thread.

To reproduce: `python -m benchmarks.server_stalls` loads a server without and with this file and prints the longest
stall of each. When the first figure stays below a second, delete this file.
Postgres does not need it.
"""

import gc
import threading
import time

_SECONDS = 1.0
_NEW_OBJECTS = 20_000


def collect_in_a_thread() -> None:
    """Turn automatic collection off. Collect in a thread once there are enough new objects."""
    gc.disable()

    def collect() -> None:
        while True:
            time.sleep(_SECONDS)
            if gc.get_count()[0] > _NEW_OBJECTS:
                gc.collect()

    threading.Thread(target=collect, name="garbage", daemon=True).start()

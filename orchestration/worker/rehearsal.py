"""A complete run on a temporary warehouse. Forks inherit what it imports, compiles and caches.

Without it, each run spends half of its time on compiling dbt's macros and on late imports.
"""

import gc
import os
import shutil
import signal
import tempfile
import threading
from pathlib import Path

import pyarrow as pa

from ingestion.departments import resolve_all
from ingestion.settings import IngestionSettings
from orchestration.pipeline import plain_steps, run_pipeline
from orchestration.settings import OrchestrationSettings

FOLDER = "girouette-rehearsal-"


def rehearse(orchestration: OrchestrationSettings) -> None:
    """Run the pipeline twice on the demo source in a temporary folder: a full build, then an hourly one.

    A fork copies no threads, so none may be left: raises RuntimeError otherwise.
    """
    with tempfile.TemporaryDirectory(prefix=FOLDER) as folder:

        def end(*_: object) -> None:
            # Exit directly: other code could catch or replace an exception raised here.
            shutil.rmtree(folder, ignore_errors=True)
            os._exit(0)

        before = signal.signal(signal.SIGTERM, end)
        try:
            ingestion = IngestionSettings(_env_file=None, data_dir=Path(folder), meteofrance_source="demo")
            departments = resolve_all(["9"])
            steps = plain_steps(ingestion, orchestration, None, lambda _: None)
            for _ in range(2):
                run_pipeline(departments, steps, ingestion, lambda _: None, full=True)
        finally:
            signal.signal(signal.SIGTERM, before)
    # Garbage collection in a fork then skips inherited objects, so their memory stays shared.
    gc.collect()
    gc.freeze()
    pa.default_memory_pool().release_unused()
    left = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if left:
        raise RuntimeError(f"the rehearsal left threads behind: {', '.join(left)}")

"""A whole run on a throw-away warehouse: what it imports, compiles and caches is found in the memory of every fork.

Without it each forked run would compile dbt's macros and meet Python's late imports anew, half of its time.
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

    Leaves no thread behind, as a fork copies none: raises RuntimeError otherwise.
    """
    with tempfile.TemporaryDirectory(prefix=FOLDER) as folder:

        def end(*_: object) -> None:
            # It leaves no folder behind. At once, as an exception may be caught, or replaced, wherever it falls.
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
    # A fork's own collections then leave what is inherited alone, and its memory shared.
    gc.collect()
    gc.freeze()
    pa.default_memory_pool().release_unused()
    left = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if left:
        raise RuntimeError(f"the rehearsal left threads behind: {', '.join(left)}")

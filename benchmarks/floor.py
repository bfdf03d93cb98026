"""The floor: one warm process that does the same fetch, load, build and copy, with no orchestrator around it.

`python -m benchmarks.floor`: each line on standard input (`9`, `all`) is a run; answers one JSON line with its seconds.
"""

import json
import sys
import time

from ingestion.departments import resolve_all
from ingestion.settings import get_settings as get_ingestion_settings
from orchestration.pipeline import plain_steps, run_pipeline
from orchestration.settings import get_settings


def main() -> None:
    """Run the pipeline for each line."""
    ingestion = get_ingestion_settings()
    steps = plain_steps(ingestion, get_settings(), None, lambda _: None)
    for line in sys.stdin:
        started = time.perf_counter()
        summary = run_pipeline(resolve_all([line.strip()]), steps, ingestion, lambda _: None)
        print(json.dumps({"seconds": time.perf_counter() - started, "rows": summary.rows_new}), flush=True)


if __name__ == "__main__":
    main()

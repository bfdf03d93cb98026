"""What only grows while the service runs, and Prefect does not clean: run records and the output of child processes."""

import os
from contextlib import suppress

from ingestion.paths import DataPaths
from orchestration.progress import discard_old_records

TIDY_SECONDS = 3600
LOG_BYTES = 10_000_000
# dbt turns its own log over.
_OUTPUTS = ("runs.log", "prefect-server.log")


def tidy(paths: DataPaths) -> None:
    """Delete old run records. Keep of each log at most the last 10 MB beside it, as `<name>.1`."""
    discard_old_records(paths)
    for name in _OUTPUTS:
        log = paths.logs / name
        with suppress(OSError):  # none yet, or a full disk: tried again in an hour
            if log.stat().st_size > LOG_BYTES:
                with log.open("rb") as output:
                    output.seek(-LOG_BYTES, os.SEEK_END)
                    log.with_name(f"{name}.1").write_bytes(output.read())
                # Emptied, not moved: a process writes to it, and each of its writes goes to the end.
                os.truncate(log, 0)

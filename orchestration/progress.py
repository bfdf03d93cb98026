"""A run's progress: one JSON line per step in `data/runs/<run id>.jsonl`.

The run itself writes them. Following them needs no query to Prefect, and they survive restarts.
"""

import json
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingestion.paths import DataPaths

# Longer than our Prefect server keeps the runs (90 days).
KEPT_DAYS = 100

Record = dict[str, Any]


def note(paths: DataPaths, run_id: str | None, kind: str, **facts: Any) -> None:
    """Append one record to a run's file; runs without an id are not recorded."""
    if run_id is None:
        return
    record = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "kind": kind, **facts}
    file = record_file(paths, run_id)
    # Records are only for display, so a disk that refuses them must not fail the run: the run's own writes will.
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        # One write per line: a reader can meet half a record only at the end of the file.
        with file.open("ab", buffering=0) as lines:
            lines.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")


def read_records(paths: DataPaths, run_id: str, skip: int = 0) -> list[Record]:
    """Read a run's records after the first `skip`; none if there is no file."""
    try:
        content = record_file(paths, run_id).read_bytes()
    except OSError:
        return []
    lines = content[: content.rfind(b"\n") + 1].splitlines()
    return [json.loads(line) for line in lines[skip:]]


def discard_old_records(paths: DataPaths) -> None:
    """Delete the records of runs that ended long ago."""
    oldest = time.time() - KEPT_DAYS * 86_400
    with suppress(OSError):  # tried again in an hour
        for file in paths.run_records.glob("*.jsonl"):
            if file.stat().st_mtime < oldest:
                file.unlink(missing_ok=True)


def record_file(paths: DataPaths, run_id: str) -> Path:
    return paths.run_records / f"{run_id}.jsonl"

"""One hour of all France that is new: ingested, built, published, in one warm process, and what of it took how long.

`python -m benchmarks.refresh`: each line on standard input is an hour (`2026-11-23T05:00:00+00:00`), or `stations` for
the station list alone; answers one JSON line with the seconds and the most memory the process ever held.
"""

import json
import re
import sys
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from ingestion.departments import all_departments
from ingestion.ingest import ingest_packet
from ingestion.meteofrance.source import STATION_LIST, plan_requests
from ingestion.paths import DataPaths
from ingestion.settings import get_settings as get_ingestion_settings
from ingestion.writer_lock import writer_lock
from orchestration.closed_months.close_months import close_months
from orchestration.pipeline import build_and_record
from orchestration.settings import get_settings
from orchestration.snapshots.publish import publish_build


def main() -> None:
    """Refresh once for each line."""
    ingestion, orchestration = get_ingestion_settings(), get_settings()
    paths = DataPaths(ingestion.data_dir)
    for line in sys.stdin:
        if line.strip() == "stations":
            print(json.dumps({"rows": ingest_packet(ingestion, STATION_LIST).counts.new}), flush=True)
            continue
        request = plan_requests(all_departments(), datetime.fromisoformat(line.strip()).astimezone(UTC))[-1]
        with writer_lock(paths, "a benchmark", lambda _: None):
            times, cpu = [time.perf_counter()], time.process_time()
            rows = ingest_packet(ingestion, request).counts.new
            times.append(time.perf_counter())
            build_and_record(orchestration, paths, None, lambda _: None)
            close_months(paths, orchestration.close_above_mb, lambda _: None)
            times.append(time.perf_counter())
            manifest = publish_build(paths, keep=orchestration.snapshots_keep)
            times.append(time.perf_counter())
        ingested, built, published = (round(b - a, 3) for a, b in pairwise(times))
        answer = {"seconds": times[-1] - times[0], "ingest": ingested, "build": built, "publish": published}
        answer |= {"cpu": round(time.process_time() - cpu, 3)}
        folder = paths.snapshots / manifest.id
        answer |= {"snapshot_folder_mb": round(sum(file.stat().st_size for file in folder.iterdir()) / 1e6, 3)}
        answer |= {"rows": rows, "snapshot_mb": round(manifest.size_bytes / 1e6), "memory_mb": _most_mb()}
        print(json.dumps(answer), flush=True)


def _most_mb() -> float:
    # Not getrusage's ru_maxrss: a new program inherits it, and the one that starts this one has made years of history.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    most = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert most is not None, "this benchmark needs Linux"
    return int(most[1]) / 1024


if __name__ == "__main__":
    main()

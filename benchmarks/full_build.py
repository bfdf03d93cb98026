"""A full build of 1.2 million hours of all France, and of twice as many: every model and test, nothing built before."""

import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.history import load_month
from benchmarks.processes import ROOT, environment
from benchmarks.report import Report
from ingestion.paths import DataPaths

_ROWS, _ROWS_A_DAY = 1_200_000, 48_000  # 2,000 stations
_CPU_SECONDS, _MEGABYTES, _TWICE = 150.0, 1_500.0, 2.2
_BUILD = """
import json, time
from pathlib import Path
from ingestion.paths import DataPaths
from ingestion.settings import get_settings as get_ingestion_settings
from orchestration.pipeline import build_and_record
from orchestration.settings import get_settings
wall, cpu = time.perf_counter(), time.process_time()
build_and_record(get_settings(), DataPaths(get_ingestion_settings().data_dir), None, lambda _: None)
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps({"wall": wall, "cpu": cpu, "peak": int(peak.split()[1]) / 1000}))
"""


def measure_full_build(report: Report, *, rounds: int, share: int) -> None:
    """Build so often in a process of its own, each size after the other; one in `share` of the rows."""
    taken: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    rows: dict[int, int] = {}
    for _ in range(rounds):
        for size, measured in taken.items():
            with tempfile.TemporaryDirectory(prefix="girouette-bench-") as folder:
                now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
                days = size * _ROWS / share / _ROWS_A_DAY
                rows[size] = load_month(DataPaths(Path(folder)), now - timedelta(days=days), now)
                measured.append(_build(Path(folder)))
    for size, measured in taken.items():
        what = f"full build of {rows[size] / 1e6:.2f} million hours"
        for name, unit in (("wall", "s"), ("cpu", "s"), ("peak", "MB")):
            report.add(f"{what}: {name}", unit, [built[name] for built in measured])
    once, twice = ({name: [built[name] for built in taken[size]] for name in ("cpu", "peak")} for size in (1, 2))
    if share == 1:
        report.compare("full_build_vs_150_s", once["cpu"], [_CPU_SECONDS] * rounds, at_most=1)
        report.compare("full_build_vs_1500_mb", once["peak"], [_MEGABYTES] * rounds, at_most=1)
        report.compare("full_build_twice_vs_once", twice["cpu"], once["cpu"], at_most=_TWICE)


def _build(folder: Path) -> dict[str, float]:
    env = environment(folder, "http://127.0.0.1:9/public/DPPaquetObs", "http://127.0.0.1:9/api")
    command = [sys.executable, "-c", _BUILD]
    out = subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, text=True).stdout
    built: dict[str, float] = json.loads(out.splitlines()[-1])
    return built

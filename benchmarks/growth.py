"""What history costs: one new hour of all France after a month, a year, ten years, one after another each round."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from benchmarks.history import make_history
from benchmarks.processes import ROOT, environment, next_hour, running_upstream
from benchmarks.report import Report
from benchmarks.upstream import MINUTE
from benchmarks.years import lengthen

MONTHS = {"1m": 0, "1y": 11, "10y": 119}


def measure_growth(report: Report, *, rounds: int, ten_years: bool) -> None:
    """Seconds from the fetch of one new hour to its publication, the snapshot's size, the most memory held."""
    print("Growth: one new hour of all France", flush=True)
    spans = [span for span in MONTHS if ten_years or span != "10y"]
    taken: dict[str, list[float]] = defaultdict(list)
    # An hour for each round, one more that is not counted, and none that has not come yet.
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=rounds + 3)
    with tempfile.TemporaryDirectory(prefix="girouette-growth-") as folder, ExitStack() as stack:
        upstream = stack.enter_context(running_upstream(Path(folder), hours_back=rounds + 3))
        refreshes = {
            span: stack.enter_context(refresher(environment(Path(folder) / span, upstream, "http://127.0.0.1:9/api")))
            for span in spans
        }
        refreshes["1m"]("stations")
        for _ in make_history(Path(folder) / "1m", 1, hour):
            pass
        for span in spans[1:]:
            shutil.copytree(Path(folder) / "1m" / "build", Path(folder) / span / "build")
            lengthen(Path(folder) / span, MONTHS[span])
        _fill_page_cache(Path(folder))
        for round_number in range(rounds + 1):
            for span, refresh in refreshes.items():
                measured = refresh((hour + timedelta(minutes=MINUTE)).isoformat())
                if round_number:  # the first makes plans, views and caches
                    for quantity, value in measured.items():
                        taken[f"{span} {quantity}"].append(value)
            next_hour(upstream)
            hour += timedelta(hours=1)
    units = {"rows": "rows", "snapshot_mb": "MB", "memory_mb": "MB"}
    for name, values in taken.items():
        report.add(f"growth: {name}", units.get(name.split()[1], "s"), values)
    for span in spans[1:]:
        report.compare(f"growth_{span}_vs_1m", taken[f"{span} seconds"], taken["1m seconds"], at_most=1.5)


def _fill_page_cache(folder: Path) -> None:
    """Have the kernel hold files in all the memory it has, as on any machine that has run for some days.

    Memory that was never used, or not lately, has first to be found by a virtual machine's host: a copy of 577 MB took
    1.34 s in such memory, 0.13 s in memory that another file had just left.
    """
    hole = folder / "hole"  # takes no room on the disk, and as much memory as any file when it is read
    with hole.open("w+b") as file:
        file.truncate(psutil.virtual_memory().total)
        while file.read(1 << 22):
            pass


@contextmanager
def refresher(env: Mapping[str, str]) -> Iterator[Callable[[str], Mapping[str, float]]]:
    """A warm process that refreshes once for each hour it is sent."""
    log = Path(env["DATA_DIR"]).with_suffix(".log").open("ab")
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.refresh"],
        cwd=ROOT,
        env=dict(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
    )

    def ask(hour: str) -> Mapping[str, float]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(hour.encode() + b"\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())  # type: ignore[no-any-return]

    yield ask
    process.communicate()
    log.close()

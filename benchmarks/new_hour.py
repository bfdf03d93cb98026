"""A new hour of all France with the archive behind it, and without: the same hours, one after the other each round.

The archive has all of France's days and thirty years of hours of ten départements.
"""

import shutil
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.archives import EARLIER_DECADES, copy_hours, make_days_of_france, make_hours_file
from benchmarks.growth import refresher
from benchmarks.history import SOURCE, load_month
from benchmarks.processes import environment, next_hour, running_upstream
from benchmarks.report import Report
from benchmarks.upstream import MINUTE
from ingestion.archive.ledger import read_ledger
from ingestion.archive.load import Origin, load_file
from ingestion.paths import DataPaths
from orchestration.pipeline import build_and_record
from orchestration.settings import get_settings

_DAYS = 3  # of real time: few, so that what the archive costs is a large part of a run
_UNITS = {"cpu": "s", "seconds": "s", "publish": "s", "snapshot_folder_mb": "MB"}


def measure_new_hour(report: Report, *, rounds: int) -> None:
    """CPU seconds from the fetch of one new hour to its publication, and the bytes of the snapshot's folder."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=rounds + 3)
    taken: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="girouette-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        upstream = stack.enter_context(running_upstream(folder, hours_back=rounds + 3))
        refreshes = {
            way: stack.enter_context(refresher(environment(folder / way, upstream, "http://127.0.0.1:9/api")))
            for way in ("with", "without")
        }
        refreshes["without"]("stations")
        paths = DataPaths(folder / "without")
        load_month(paths, hour - timedelta(days=_DAYS), hour)
        build_and_record(get_settings(), paths, None, lambda _: None)
        shutil.copytree(folder / "without" / "build", folder / "with" / "build")
        _make_archive(DataPaths(folder / "with"), folder)
        for number in range(rounds + 1):
            ways = list(refreshes.items())
            for way, refresh in ways if number % 2 else reversed(ways):
                measured = refresh((hour + timedelta(minutes=MINUTE)).isoformat())
                if number:  # the first makes plans, views and caches
                    for quantity in _UNITS:
                        taken[f"{way} the archive: {quantity}"].append(measured[quantity])
            next_hour(upstream)
            hour += timedelta(hours=1)
    for name, values in taken.items():
        report.add(f"new hour {name}", _UNITS[name.rsplit(" ", 1)[1]], values)
    for quantity, aim in (("cpu", 1.5), ("snapshot_folder_mb", 1.05)):
        with_it, without = (taken[f"{way} the archive: {quantity}"] for way in ("with", "without"))
        report.compare(f"new_hour_with_archive: {quantity}", with_it, without, at_most=aim)


def _make_archive(paths: DataPaths, folder: Path) -> None:
    make_days_of_france(paths, folder)
    file = folder / "H_09_2010-2019.csv.gz"
    make_hours_file(file)
    load_file(paths, file, Origin(file.name, datetime.now(UTC)), SOURCE)
    copy_hours(paths, EARLIER_DECADES)
    used = read_ledger(paths).in_use()
    days, hours = (sum(entry.rows for entry in used if entry.dataset == kind) for kind in ("days", "hours"))
    print(f"New hour: {days:,} days and {hours:,} hours in {len(used)} files of the archive", flush=True)

"""Ten years of one département's hours: from the file to Parquet, and read again with ten départements behind them."""

import io
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from api.warehouse.answer.formats import JSON, PARQUET
from api.warehouse.answer.render import render
from api.warehouse.opening import open_warehouse
from api.warehouse.question.climate import HistoryRequest, read_history
from api.warehouse.settings import WarehouseSettings
from benchmarks.archives import copy_hours, make_hours_file
from benchmarks.history import SOURCE, load_month
from benchmarks.report import Report
from ingestion.archive.load import Origin, load_file
from ingestion.paths import DataPaths
from ingestion.raw_store import literal
from orchestration.pipeline import build_and_record
from orchestration.settings import get_settings
from orchestration.snapshots.publish import publish_build

_POST = "09289001"
_LOAD = """
import sys, time
from pathlib import Path
from ingestion.archive.load import given_by_hand, load_file, renew_climate
from ingestion.paths import DataPaths
from ingestion.settings import get_settings
started, paths, file = time.perf_counter(), DataPaths(get_settings().data_dir), Path(sys.argv[1])
loaded = load_file(paths, file, given_by_hand(file), "meteofrance", more_follow=True)
written = time.process_time()
renew_climate(paths, loaded.entry.department)
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(time.perf_counter() - started, written, time.process_time(), int(peak.split()[1]) / 1000)
"""


def measure_archive_hours(report: Report, *, rounds: int) -> None:
    """Load the file in a process of its own each round, then ask for hours, past every cache of answers."""
    with tempfile.TemporaryDirectory(prefix="girouette-bench-") as folder:
        file = Path(folder) / "H_09_2010-2019.csv.gz"
        rows = make_hours_file(file)
        print(f"Archive hours: {rows:,} rows, {file.stat().st_size / 1e6:.0f} MB compressed", flush=True)
        _measure_load(report, Path(folder), file, rows, rounds, "archive hours")
        _measure_load(report, Path(folder), _by_hour(file), rows, rounds, "archive hours, not sorted")
        _measure_reads(report, Path(folder), file, rounds)


def _measure_load(report: Report, folder: Path, file: Path, rows: int, rounds: int, what: str) -> None:
    """Load as a back-fill does: the file's rows first, then what is computed from them."""
    taken: list[list[float]] = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(dir=folder) as data_dir:
            environment = {"DATA_DIR": data_dir, "METEOFRANCE_SOURCE": SOURCE, "PATH": ""}
            out = subprocess.run(
                [sys.executable, "-c", _LOAD, str(file)], env=environment, check=True, capture_output=True, text=True
            ).stdout
            taken.append([float(told) for told in out.splitlines()[-1].split()])
    walls, written, cpus, peaks = zip(*taken, strict=True)
    report.add(f"{what}: load, with days and coverage", "s", walls)
    report.add(f"{what}: load, with days and coverage, CPU", "s", cpus)
    report.add(f"{what}: rows per CPU second", "1/s", [rows / cpu for cpu in cpus])
    report.add(f"{what}: rows to Parquet per CPU second", "1/s", [rows / cpu for cpu in written])
    report.add(f"{what}: peak of the process", "MB", peaks)


def _by_hour(file: Path) -> Path:
    """Write the file's rows in another order: all posts of an hour, then the next hour."""
    target = file.parent / "by hour" / file.name
    target.parent.mkdir()
    duckdb.execute(
        f"copy (from read_csv({literal(file)}, delim = ';', header = true, all_varchar = true)"
        f" order by AAAAMMJJHH, NUM_POSTE) to {literal(target)} (delimiter ';', header true, compression gzip)"
    )
    return target


def _measure_reads(report: Report, folder: Path, file: Path, rounds: int) -> None:
    paths = DataPaths(folder / "data")
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    load_month(paths, now - timedelta(days=3), now)
    build_and_record(get_settings(), paths, None, lambda _: None)
    load_file(paths, file, Origin(file.name, datetime.now(UTC)), SOURCE)
    copy_hours(paths)
    publish_build(paths, keep=1)
    week = HistoryRequest(
        question="", limit=100_000, station=_POST, start=date(2015, 3, 2), end=date(2015, 3, 8), resolution="hour"
    )
    questions = {
        "a post's week of 2015, JSON": (week, JSON),
        "a post's year, JSON": (replace(week, start=date(2015, 1, 1), end=date(2015, 12, 31)), JSON),
        "a post's ten years, Parquet": (replace(week, start=None, end=date(2019, 12, 31)), PARQUET),
        "a post's last two days, JSON": (replace(week, start=now.date() - timedelta(days=2), end=None), JSON),
    }
    with (
        open_warehouse(paths, WarehouseSettings(_env_file=None)) as reads,
        reads.warehouse.lease(None, field="snapshot") as snapshot,
    ):
        for name, (request, form) in questions.items():
            walls, cpus = [], []
            for number in range(rounds + 1):  # the first opens the files
                wall, cpu, body = time.perf_counter(), time.process_time(), io.BytesIO()
                for part in render(read_history(snapshot, reads.executor, request), form, {}):
                    body.write(part)
                if number:
                    walls.append(1000 * (time.perf_counter() - wall))
                    cpus.append(1000 * (time.process_time() - cpu))
            report.add(f"archive hours: {name}", "ms", walls)
            print(f"{'':46} {statistics.median(cpus):>12,.1f} ms of CPU, {body.tell():,} bytes")

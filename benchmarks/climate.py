"""Questions about climate with all of France's days behind them: 2,400 posts, 35 years, nothing cached.

The days of the demo's Ariège are copied to every département of the mainland at DuckDB's speed.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from api.warehouse.answer.formats import CSV, JSON, PARQUET, Format
from api.warehouse.answer.render import Document, Rows, render, render_document
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.opening import open_warehouse
from api.warehouse.question.accumulate import AccumulateRequest, read_accumulated
from api.warehouse.question.anomalies import AllNormalRequest, read_all_normal, read_normal
from api.warehouse.question.climate import HistoryRequest, read_history, read_normals
from api.warehouse.settings import WarehouseSettings
from benchmarks.archives import make_days_of_france
from benchmarks.history import load_month
from benchmarks.report import Report
from ingestion.paths import DataPaths
from orchestration.pipeline import build_and_record
from orchestration.settings import get_settings
from orchestration.snapshots.publish import publish_build

_POST = "09289001"
_LONG_AGO, _LATELY = date(1999, 7, 14), date(2025, 7, 14)

Work = Callable[[OpenSnapshot, Executor], Rows | Document]


def measure_climate(report: Report, *, rounds: int) -> None:
    """Make the archive, then ask each question so often, past every cache of answers."""
    with tempfile.TemporaryDirectory(prefix="girouette-bench-") as folder:
        paths = DataPaths(Path(folder) / "data")
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        load_month(paths, now - timedelta(days=3), now)
        build_and_record(get_settings(), paths, None, lambda _: None)
        make_days_of_france(paths, Path(folder))
        publish_build(paths, keep=1)
        with (
            open_warehouse(paths, WarehouseSettings(_env_file=None)) as reads,
            reads.warehouse.lease(None, field="snapshot") as snapshot,
        ):
            (row,) = reads.executor.fetch_dicts(
                snapshot, "select sum(days)::bigint as days, count(distinct station_id) as n from meta.archive_coverage"
            )
            print(f"Climate: {row['days']:,} days of {row['n']:,} posts", flush=True)
            for name, kind, work in _questions():
                work(snapshot, reads.executor)  # opens the files
                walls, cpus = [], []
                for _ in range(rounds):
                    wall, cpu = time.perf_counter(), time.process_time()
                    _write(work(snapshot, reads.executor), kind)
                    walls.append(1000 * (time.perf_counter() - wall))
                    cpus.append(1000 * (time.process_time() - cpu))
                report.add(f"climate: {name}", "ms", walls)
                print(f"{'':46} {statistics.median(cpus):>12,.1f} ms of CPU")


def _questions() -> list[tuple[str, Format, Work]]:
    years = HistoryRequest(
        question="", limit=20_000, station=_POST, start=date(1991, 1, 1), end=date(2020, 12, 31), resolution="day"
    )
    rain = AccumulateRequest(
        question="", limit=1, station=_POST, quantity="rain", since=date(2025, 4, 1), until=date(2025, 10, 31)
    )
    lately = AllNormalRequest(question="", limit=10_000, day=_LATELY, quantity="temperature_max_c")
    return [
        *((f"30 years of days, {f.name}", f, lambda s, e: read_history(s, e, years)) for f in (JSON, CSV, PARQUET)),
        ("30 years of months", JSON, lambda s, e: read_history(s, e, replace(years, resolution="month"))),
        ("normals by month", JSON, lambda s, e: read_normals(s, e, _POST, None, "month")),
        ("a day of one station", JSON, lambda s, e: read_normal(s, e, _POST, _LATELY, lately.quantity)),
        ("a month so far", JSON, lambda s, e: read_normal(s, e, _POST, _LATELY, lately.quantity, "month")),
        ("a day of all stations", JSON, lambda s, e: read_all_normal(s, e, lately)),
        ("a day of 1999 of all", JSON, lambda s, e: read_all_normal(s, e, replace(lately, day=_LONG_AGO))),
        ("rain since April", JSON, lambda s, e: read_accumulated(s, e, rain)),
    ]


def _write(answer: Rows | Document, format: Format) -> int:
    if isinstance(answer, Document):
        return len(render_document(answer, {}))
    return sum(map(len, render(answer, format, {})))

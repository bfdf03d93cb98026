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

import duckdb

from api.warehouse.answer.formats import CSV, JSON, PARQUET, Format
from api.warehouse.answer.render import Document, Rows, render, render_document
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.opening import open_warehouse
from api.warehouse.question.accumulate import AccumulateRequest, read_accumulated
from api.warehouse.question.anomalies import AllNormalRequest, read_all_normal, read_normal
from api.warehouse.question.climate import HistoryRequest, read_history, read_normals
from api.warehouse.settings import WarehouseSettings
from benchmarks.history import SOURCE, load_month
from benchmarks.report import Report
from ingestion.archive.ledger import CLIMATE, ArchiveFile, read_ledger, write_ledger
from ingestion.archive.load import Origin, load_file
from ingestion.demo.archive import days_file
from ingestion.departments import all_departments
from ingestion.paths import DataPaths
from ingestion.raw_store import literal
from orchestration.pipeline import build_and_record
from orchestration.settings import get_settings
from orchestration.snapshots.publish import publish_build

_POST, _COPIES = "09289001", 2  # 14 posts, twice in each of 94 départements
_LONG_AGO, _LATELY = date(1999, 7, 14), date(2025, 7, 14)

Work = Callable[[OpenSnapshot, Executor], Rows | Document]


def measure_climate(report: Report, *, rounds: int) -> None:
    """Make the archive, then ask each question so often, past every cache of answers."""
    with tempfile.TemporaryDirectory(prefix="girouette-bench-") as folder:
        paths = DataPaths(Path(folder) / "data")
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        load_month(paths, now - timedelta(days=3), now)
        build_and_record(get_settings(), paths, None, lambda _: None)
        _make_archive(paths, Path(folder))
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


def _make_archive(paths: DataPaths, folder: Path) -> None:
    """Load the demo's Ariège, then copy its days and its climate under the ids of all other départements."""
    this_year = datetime.now(UTC).year
    periods = {"previous-1950": range(1991, this_year - 1), "latest": range(this_year - 1, this_year)}
    for period, years in periods.items():
        first = "" if period.startswith("previous") else f"-{this_year - 1}"
        last = years[-1] if period.startswith("previous") else this_year
        file = folder / f"Q_09_{period}{first}-{last}_RR-T-Vent.csv"
        file.write_bytes(days_file("9", years, date(this_year, 1, 1)))
        load_file(paths, file, Origin(file.name, datetime.now(UTC)), SOURCE)
        file.unlink()
    ledger = read_ledger(paths)
    loaded, climate = ledger.in_use(), ledger.climate["9"]
    for department in all_departments():
        code = department.code
        if not code.isdecimal() or int(code) > 95 or code == "9":
            continue
        for entry in loaded:
            assert entry.file is not None
            file_name = entry.file.replace("/days/9/", f"/days/{code}/")
            _copy_rows(paths, entry.file, file_name, code)
            ledger.put(_entry(entry, code, file_name))
        ledger.climate[code] = climate.replace("/climate/9/", f"/climate/{code}/")
        for table in CLIMATE:
            _copy_rows(paths, f"{climate}/{table}.parquet", f"{ledger.climate[code]}/{table}.parquet", code)
    write_ledger(paths, ledger)


def _entry(entry: ArchiveFile, code: str, file_name: str) -> ArchiveFile:
    return replace(
        entry, department=code, file=file_name, rows=entry.rows * _COPIES, name=entry.name.replace("_09_", f"_{code}_")
    )


def _copy_rows(paths: DataPaths, source: str, target: str, code: str) -> None:
    (paths.root / target).parent.mkdir(parents=True, exist_ok=True)
    new_id = f"'{code.zfill(2)}' || substr(station_id, 3, 5) || copy"
    described = f"describe from read_parquet({literal(paths.root / source)})"
    names = [row[0] for row in duckdb.sql(described).fetchall()]
    replaced = f"{new_id} as station_id" + (f", '{code}' as department_code" if "department_code" in names else "")
    duckdb.sql(
        f"copy (select * exclude (copy) replace ({replaced})"
        f" from read_parquet({literal(paths.root / source)}), (select unnest(range({_COPIES})) as copy) order by all)"
        f" to {literal(paths.root / target)} (format parquet, compression zstd, row_group_size 20_480)"
    )

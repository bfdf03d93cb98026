"""What a thousand watches cost a run: judged against a published snapshot of all France."""

import os
import random
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.history import load_month
from benchmarks.report import Report
from ingestion import settings as ingestion_settings
from ingestion.paths import DataPaths
from orchestration import settings as orchestration_settings
from orchestration.notices.store import open_store
from orchestration.pipeline import build_and_record
from orchestration.snapshots.publish import publish_build
from orchestration.snapshots.snapshots import Manifest, served_snapshot
from orchestration.watches.condition import read_condition
from orchestration.watches.evaluate import judge_watches
from orchestration.watches.watches import Wish, add_watch

WATCHES = 1_000
_DAYS = 4
_COLUMNS = ("temperature_c", "humidity_pct", "wind_speed_ms", "gust_ms", "precipitation_24h_mm", "pressure_hpa")


@dataclass
class _Taken:
    """Seconds of each round; a machine shared with others shows in the difference to the CPU's."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def measure_watching(report: Report, *, rounds: int) -> None:
    """Seconds of `judge_watches`: when a fifth of the watches has a message to write, and when none has."""
    print(f"Watches: {WATCHES:,} of them, all France", flush=True)
    with tempfile.TemporaryDirectory(prefix="girouette-watching-") as folder:
        os.environ |= {"DATA_DIR": folder, "METEOFRANCE_SOURCE": "meteofrance", "METEOFRANCE_TOKEN": "none"}
        for settings in (ingestion_settings, orchestration_settings):
            settings.get_settings.cache_clear()
        paths = DataPaths(Path(folder))
        until = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        load_month(paths, until - timedelta(days=_DAYS), until)
        build_and_record(orchestration_settings.get_settings(), paths, None, lambda _: None)
        publish_build(paths, keep=2)
        snapshot = served_snapshot(paths)
        assert snapshot is not None
        _add_watches(paths, snapshot)
        first, again = _Taken(), _Taken()
        for _ in range(rounds + 1):
            _judge(paths, snapshot, first, "delete from events", "delete from messages")
            _judge(paths, snapshot, again)
        with open_store(paths) as store:
            (told,) = store.execute("select count(*) from messages").fetchone()
        print(f"  messages written when all is new: {told:,}", flush=True)
        for name, taken in (("all events new", first), ("nothing new", again)):
            report.add(f"watches: a thousand, {name}", "s", taken.seconds[1:])
            report.add(f"watches: a thousand, {name}, CPU", "s", taken.cpu[1:])


def _add_watches(paths: DataPaths, snapshot: Manifest) -> None:
    """Six in ten of one station, two of five stations, two of a département; a fifth of them is on."""
    chance = random.Random(1)
    with duckdb.connect(str(paths.snapshots / snapshot.id / "warehouse.duckdb"), read_only=True) as connection:
        stations = [s for (s,) in connection.execute("select station_id from marts.stations order by 1").fetchall()]
        codes = [c for (c,) in connection.execute("select distinct department_code from marts.stations").fetchall()]
        high = ", ".join(f"quantile_cont({column}, 0.97)" for column in _COLUMNS)
        limits = connection.execute(f"select {high} from marts.hourly_observations").fetchone() or ()
    for number in range(WATCHES):
        column, limit = chance.choice(list(zip(_COLUMNS, limits, strict=True)))
        condition = read_condition(f"{column} > {limit:.1f}")
        where: dict[str, Any] = (
            {"stations": (chance.choice(stations),)}
            if number % 10 < 6
            else {"stations": tuple(chance.sample(stations, 5))}
            if number % 10 < 8
            else {"department": chance.choice(codes)}
        )
        wish = Wish(f"watch {number}", condition, "json://127.0.0.1:9/x", hysteresis=1.0, **where)
        add_watch(paths, wish, datetime.now(UTC) - timedelta(days=30))


def _judge(paths: DataPaths, snapshot: Manifest, taken: _Taken, *before: str) -> None:
    with open_store(paths) as store:
        for statement in (*before, "update watches set judged_snapshot = null"):
            store.execute(statement)
    started, cpu = time.perf_counter(), time.process_time()
    judge_watches(paths, snapshot)
    taken.seconds.append(time.perf_counter() - started)
    taken.cpu.append(time.process_time() - cpu)

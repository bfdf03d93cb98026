"""Closing months: proven files, one transaction, and nothing lost wherever it is killed."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import duckdb
import pytest
from long_history import SETTLED, News, at, build, load, publish, read_all

from ingestion.closed_months import closed_files, reopen
from ingestion.errors import ClosedMonthDamaged
from ingestion.paths import DataPaths
from ingestion.raw_store import connect
from orchestration.__main__ import main as step
from orchestration.closed_months import close_months as module
from orchestration.closed_months.close_months import close_months
from orchestration.settings import ROOT, get_settings
from orchestration.snapshots.publish import publish_build
from orchestration.snapshots.snapshots import roll_back

pytestmark = pytest.mark.xdist_group("long-history")


@pytest.fixture
def paths(grown, data_dir):
    shutil.copytree(grown.root, data_dir, symlinks=True)
    return DataPaths(data_dir)


SETTLED_DAYS = "observed_date < '2026-03-01' and is_final"


def close(paths, above_mb=1):
    said = []
    months = close_months(paths, above_mb, said.append)
    return months, said


def files(paths):
    return sorted(path.relative_to(paths.closed).as_posix() for path in paths.closed.glob("*/*"))


def test_settled_months_move_into_immutable_files_and_it_says_so(paths, query):
    [(rows, hot)] = query(
        paths.build_file, "select count(*), count(*) filter (observed_at >= '2026-03-01') from raw.observations"
    )
    [(days,)] = query(paths.build_file, f"select count(*) from marts.daily_observations where {SETTLED_DAYS}")
    months, said = close(paths)
    assert months == list(SETTLED)
    assert re.fullmatch(
        rf"closed 2026-01, 2026-02: {2 * (rows - hot) + days:,} rows are now in .*/closed; the build file uses \d+ MB",
        said[0],
    )
    assert query(paths.build_file, "select count(*) from raw.observations") == [(hot,)]
    assert query(paths.build_file, "select count(*) from marts.hourly_observations") == [(hot,)]
    assert query(paths.build_file, f"select count(*) from marts.daily_observations where {SETTLED_DAYS}") == [(0,)]
    registered = query(paths.build_file, "select file, rows, bytes from meta.closed_months order by file")
    assert [file.removeprefix("closed/") for file, _, _ in registered] == files(paths)
    assert all(
        re.fullmatch(r"closed/\w+\.\w+/2026-0[12]-[0-9a-f]{16}\.parquet", file)
        and size == (paths.root / file).stat().st_size
        and not (paths.root / file).stat().st_mode & 0o222
        for file, _, size in registered
    )
    assert close(paths) == ([], [])
    with connect(paths.build_file) as connection:
        assert paths.build_file.stat().st_size < 1.5e6 * module.used_mb(connection) + 1e6


def test_below_its_limit_or_without_one_nothing_is_closed_and_snapshots_are_as_ever(paths, query):
    assert close(paths, above_mb=0) == close(paths, above_mb=1000) == ([], [])
    manifest = publish(paths)
    assert manifest.closed == []
    assert not paths.closed.exists()
    views = "select view_name from duckdb_views() where schema_name in ('raw', 'marts') order by 1"
    assert query(paths.published, views) == [("completeness",)]
    assert query(paths.published, "select * from duckdb_tables() where table_name = 'closed_months'") == []


def test_a_snapshot_shows_closed_and_recent_months_as_one(paths, grown):
    close(paths)
    manifest = publish(paths)
    assert [file.removeprefix("closed/") for file in manifest.closed] == files(paths)
    assert read_all(paths.published) == read_all(grown.published)
    with duckdb.connect(str(paths.published), read_only=True) as connection:
        for table, rows in manifest.row_counts.items():
            assert connection.execute(f"select count(*) from {table}").fetchone() == (rows,), table


def test_a_view_over_closed_months_keeps_the_comments_of_its_table(paths, query):
    comments = """
        select column_name, comment from duckdb_columns()
        where schema_name = 'marts' and table_name in ('hourly_observations', 'daily_observations')
        union all select view_name, comment from duckdb_views() where schema_name = 'marts'
        union all select table_name, comment from duckdb_tables() where schema_name = 'marts' order by all
    """
    publish(paths)
    whole = query(paths.published, comments)
    assert {"temperature_c", "is_final", "hourly_observations"} <= {name for name, _ in whole}
    assert all(comment for _, comment in whole)
    close(paths)
    publish(paths)
    assert set(whole) <= set(query(paths.published, comments))


def rows_kept(paths):
    """Rows of each table in the build file and in the files its registry names."""
    with connect(paths.build_file) as connection:
        kept = {table: connection.execute(f"select count(*) from {table}").fetchone()[0] for table in module.GROWING}
        for part in closed_files(connection):
            kept[part.table] += connection.execute(f"select count(*) from '{paths.root / part.file}'").fetchone()[0]
    return kept


# (function, which of its calls): a file, its folder, the registry, and between two months.
STEPS = [("sync", 1), ("sync", 2), ("record_closed", 1), ("used_mb", 2)]


@pytest.mark.parametrize(("step", "call"), STEPS)
def test_killed_at_any_step_nothing_is_lost_and_the_next_closing_ends_it(paths, grown, monkeypatch, step, call):
    calls, real = [], getattr(module, step)

    def killed(*arguments):
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt
        return 100_000 if step == "used_mb" else real(*arguments)

    with monkeypatch.context() as at_step:
        at_step.setattr(module, step, killed)
        with pytest.raises(KeyboardInterrupt):
            close(paths)
    assert rows_kept(paths) == rows_kept(grown)
    close(paths)
    publish(paths)
    assert read_all(paths.published) == read_all(grown.published)
    assert len(files(paths)) == 6


@pytest.mark.parametrize("moment", ["*.partial", pytest.param("*.parquet", marks=pytest.mark.slow)])
def test_after_kill_9_the_next_closing_ends_it(paths, grown, moment):
    script = (
        "import sys; from pathlib import Path; from ingestion.paths import DataPaths;"
        "from orchestration.closed_months.close_months import close_months;"
        "close_months(DataPaths(Path(sys.argv[1])), 1, print)"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(paths.root)], cwd=ROOT)
    while process.poll() is None and not list(paths.closed.glob(f"*/{moment}")):
        time.sleep(0.0005)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it ended before it could be killed"
    close(paths)
    publish(paths)
    assert read_all(paths.published) == read_all(grown.published)
    assert len(files(paths)) == 6


def test_a_file_that_does_not_hold_its_rows_closes_nothing(paths, query, monkeypatch):
    before = query(paths.build_file, "select count(*) from raw.observations")
    tell = module._tell

    def misread(connection, source, time):
        return tell(connection, f"(select * from {source} limit 100)" if "read_parquet" in source else source, time)

    monkeypatch.setattr(module, "_tell", misread)
    with pytest.raises(ClosedMonthDamaged, match=r"does not hold the rows of raw\.observations"):
        close(paths)
    assert query(paths.build_file, "select count(*) from raw.observations") == before


def test_opened_and_closed_again_without_news_a_month_is_the_same_file(paths):
    close(paths)
    before = {path: path.stat().st_mtime_ns for path in paths.closed.glob("*/*")}
    with connect(paths.build_file) as connection:
        connection.begin()
        assert reopen(connection) == list(SETTLED)
        connection.commit()
    close(paths)
    assert {path: path.stat().st_mtime_ns for path in paths.closed.glob("*/*")} == before


@pytest.mark.parametrize("damage", ["deleted", "cut", "another"])
def test_news_for_a_month_whose_file_is_damaged_are_refused_and_told(paths, query, damage):
    close(paths)
    file = next(paths.closed.glob("marts.hourly_observations/2026-01-*"))
    content = file.read_bytes()
    file.unlink()
    if damage == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "another":
        shutil.copyfile(next(paths.closed.glob("marts.hourly_observations/2026-02-*")), file)
    before = query(paths.build_file, "select count(*) from raw.observations")
    with pytest.raises(ClosedMonthDamaged, match="make rebuild"):
        load(paths, News.rows("9", [("09099001", at(1, 29, 5))], at(5, 12, 1)))
    assert query(paths.build_file, "select count(*) from raw.observations") == before
    assert query(paths.build_file, "select status from meta.loads order by load_id desc limit 1") == [("failed",)]
    file.unlink(missing_ok=True)
    file.write_bytes(content)  # put back from a backup
    load(paths, News.rows("9", [("09099001", at(1, 29, 5))], at(5, 12, 1)))


def test_files_are_deleted_a_day_after_the_last_snapshot_that_reads_them(paths):
    close(paths)
    publish(paths)
    january = [file for file in files(paths) if "/2026-01" in file]
    load(paths, News.rows("9", [("09099001", at(1, 29, 5))], at(5, 12, 1), t="270"))
    build(paths, close_above_mb=1)
    publish(paths)
    assert len(files(paths)) == 9
    publish_build(paths, keep=2)  # the first snapshot with the old files goes
    assert set(january) <= set(files(paths))
    told = paths.closed / "unused.json"
    since = datetime.now(UTC) - timedelta(days=1)
    told.write_text(json.dumps({file: since.isoformat() for file in json.loads(told.read_text())}))
    publish_build(paths, keep=2)
    assert len(files(paths)) == 6
    assert not set(january) & set(files(paths))
    assert json.loads(told.read_text()) == {}


@pytest.mark.slow
def test_a_rebuild_from_the_landing_zone_needs_no_closed_file(paths, grown, monkeypatch):
    monkeypatch.setenv("CLOSE_ABOVE_MB", "1")
    get_settings.cache_clear()
    close(paths)
    shutil.rmtree(paths.closed)
    assert step(["rebuild"]) == 0
    assert len(files(paths)) == 6
    assert read_all(paths.published) == read_all(grown.published)


@pytest.mark.slow
def test_a_rollback_reads_the_months_of_its_own_time(paths, grown):
    close(paths)
    publish(paths)
    load(paths, News.rows("9", [("09099001", at(1, 29, 5))], at(5, 12, 1), t="270"))
    build(paths, close_above_mb=1)
    publish(paths)
    assert read_all(paths.published) != read_all(grown.published)
    roll_back(paths)
    assert read_all(paths.published) == read_all(grown.published)

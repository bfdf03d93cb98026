"""Whatever comes after months were closed, the warehouse ends in exactly what one that closes nothing holds."""

import shutil
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from random import Random

import duckdb
import pytest
from long_history import HISTORY, SETTLED, News, at, build, hours, load, publish, read_all

from ingestion.closed_months import closed_files
from ingestion.paths import DataPaths
from orchestration.build.run_dbt import run_command
from orchestration.closed_months.close_months import close_months
from orchestration.settings import get_settings

pytestmark = pytest.mark.xdist_group("long-history")

NEXT_DAY = at(5, 12, 1)
# A département asked again after three months, a station under another name, new hours.
LATER = (
    News.packet("31", hours(at(5, 11, 12), 12), NEXT_DAY),
    News.station_list(at(5, 12, 2), s09099001="COS NEUF", s31069001="TOULOUSE"),
    News.packet("9", hours(at(5, 12), 2), at(5, 12, 2, 10)),
)


@pytest.fixture(scope="module")
def closed(grown: DataPaths, tmp_path_factory: pytest.TempPathFactory) -> DataPaths:
    """The same with its settled months closed."""
    paths = copied(grown, tmp_path_factory.mktemp("closed") / "data")
    assert close_months(paths, 1, print) == list(SETTLED)
    return paths


@pytest.fixture
def after(grown: DataPaths, closed: DataPaths, tmp_path: Path) -> Callable[..., tuple[DataPaths, DataPaths]]:
    """Let both warehouses hear the same news, a build after each part."""

    def run(*parts: Sequence[News], close_above_mb: int = 1) -> tuple[DataPaths, DataPaths]:
        never, closing = copied(grown, tmp_path / "never"), copied(closed, tmp_path / "closing")
        for part in parts:
            for paths, above in ((never, 0), (closing, close_above_mb)):
                load(paths, *part)
                build(paths, above)
        for paths in (never, closing):
            publish(paths)
        return never, closing

    return run


def copied(paths: DataPaths, to: Path) -> DataPaths:
    return DataPaths(shutil.copytree(paths.root, to, symlinks=True))


def months_closed(paths: DataPaths) -> list[object]:
    with duckdb.connect(str(paths.build_file), read_only=True) as connection:
        return sorted({file.month for file in closed_files(connection)})


@pytest.mark.slow
def test_news_of_recent_hours_leave_closed_months_closed_and_right(after):
    never, closing = after(LATER)
    assert months_closed(closing) == list(SETTLED)
    assert read_all(closing.published) == read_all(never.published)


@pytest.mark.slow
def test_days_of_closed_months_become_final_and_take_their_stations_new_name(after):
    _, closing = after(LATER)
    # The days that were final when the month was closed, and those that became so.
    assert len(list(closing.closed.glob("marts.daily_observations/2026-02-*"))) == 2
    with duckdb.connect(str(closing.published), read_only=True) as connection:
        assert connection.execute(
            "select is_final, station_name from marts.daily_observations"
            " where station_id = '31069001' and observed_date = '2026-02-02'"
        ).fetchall() == [(True, "TOULOUSE")]
        assert connection.execute(
            "select distinct station_name from marts.daily_observations where station_id = '09099001'"
            " union all select distinct station_name from marts.hourly_observations where station_id = '09099001'"
        ).fetchall() == [("COS NEUF",), ("COS NEUF",)]


def test_after_news_old_and_new_everything_is_as_if_nothing_had_been_closed(after):
    late = News.rows("9", [("09099001", at(1, 29, 5)), ("09047001", at(1, 29, 6))], at(5, 12, 3), t="263.1", rr1="9.2")
    never, closing = after([*LATER, late], close_above_mb=100_000)
    assert months_closed(closing) == [SETTLED[1]]
    assert read_all(closing.published) == read_all(never.published)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hour", "reopened"),
    [(at(1, 29, 5), 1), (at(1, 31, 23), 2), (at(3, 2, 10), 1), (at(3, 2, 11), 0)],
    ids=["in January", "where two months meet", "as late as reaches February", "later"],
)
def test_a_correction_or_a_late_row_reopens_what_it_reaches(after, hour, reopened):
    news = News.rows("9", [("09099001", hour), ("09047001", hour)], NEXT_DAY, t="263.1", tn="263", rr1="9.2")
    never, closing = after(LATER, [news], close_above_mb=100_000)
    assert len(months_closed(closing)) == len(SETTLED) - reopened
    assert read_all(closing.published) == read_all(never.published)
    build(closing, close_above_mb=1)
    publish(closing)
    assert set(SETTLED) <= set(months_closed(closing))
    assert read_all(closing.published) == read_all(never.published)


@pytest.mark.slow
def test_a_month_before_all_closed_ones_is_loaded_and_closed_by_itself(after):
    news = [News.packet("9", hours(at(1, 1) - timedelta(days=40), 5), NEXT_DAY)]
    never, closing = after(news, LATER)
    assert len(months_closed(closing)) == 3
    assert read_all(closing.published) == read_all(never.published)


@pytest.mark.slow
def test_a_changed_project_makes_everything_anew_from_reopened_months(after, monkeypatch):
    monkeypatch.setattr("orchestration.build.build_log.project_digest", lambda: "another")
    never, closing = after(LATER, close_above_mb=0)
    assert months_closed(closing) == []
    assert read_all(closing.published) == read_all(never.published)


def test_a_full_refresh_by_hand_is_refused_as_it_would_forget_closed_months(closed, tmp_path):
    paths = copied(closed, tmp_path / "by-hand")
    nodes = run_command(["build", "--full-refresh", "--select", "int_affected_hours+"], get_settings(), paths)
    refused = next(node for node in nodes if node.name == "int_affected_hours")
    assert refused.status == "error"
    assert "run `make rebuild`" in refused.message
    with duckdb.connect(str(paths.build_file), read_only=True) as connection:
        days = connection.execute("select count(*) from marts.daily_observations where observed_date < '2026-03-01'")
        assert days.fetchone() != (0,)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_whatever_comes_in_whatever_order_ends_the_same(after, seed):
    random = Random(seed)
    known = [(s, hour) for news in HISTORY if news.scope != "all" for s, hour in keys_of(news)]
    parts = []
    for turn in range(4):
        fetched_at = at(5, 12, 3 + turn)
        keys = random.sample(known, k=random.choice([1, 1, 3]))
        keys = [(station, hour + timedelta(hours=random.choice([0, 0, -30, 40, 200]))) for station, hour in keys]
        news = News.rows("9", keys, fetched_at, t=str(260 + turn), pres=random.choice(["95000", "x", ""]))
        listed = [News.station_list(fetched_at, s09047001=f"NAME {turn}")] if random.random() < 0.5 else []
        parts.append([news, *listed])
    never, closing = after(*parts, close_above_mb=random.choice([1, 100_000]))
    assert read_all(closing.published) == read_all(never.published)


def keys_of(news: News) -> list[tuple[str, object]]:
    rows = [line.split(";") for line in news.body.splitlines()]
    station, time = rows[0].index("geo_id_insee"), rows[0].index("validity_time")
    return [(row[station], at(int(row[time][5:7]), int(row[time][8:10]), int(row[time][11:13]))) for row in rows[1:]]

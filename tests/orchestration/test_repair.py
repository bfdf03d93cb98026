"""The service was off: the next run asks real time for the hours that were missed, and says what became of them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import stamina
from archive_files import HOURS_HEADER, Archive, hour_of, text_of
from upstream import NOW, Upstream

from ingestion.demo.faults import Fault, FaultKind
from ingestion.departments import resolve_all
from ingestion.gaps import AskedHour, note_answers
from ingestion.meteofrance.source import METEOFRANCE
from ingestion.paths import DataPaths
from ingestion.raw_store import open_build_file
from orchestration import pipeline
from orchestration.archive_flow import publish_archive
from orchestration.pipeline import RunSummary
from orchestration.repair import repair_gaps
from orchestration.settings import get_settings

Run = Callable[..., RunSummary]
Query = Callable[..., list[Any]]


@pytest.fixture
def off_for(published: DataPaths, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let time pass since the first run: it ended at NOW, and a département's packet reaches back a day."""

    def be_off(off: timedelta, *faults: Fault, retention_hours: int) -> None:
        with duckdb.connect(str(published.build_file)) as connection:
            connection.execute("update meta.loads set fetched_at = ? where load_id <= 2", [NOW])
        upstream.reset(*faults, now=NOW + off, retention_hours=retention_hours, packet_hours=24)
        monkeypatch.setattr(pipeline, "utc_now", lambda: NOW + off)

    return be_off


def repaired(published: DataPaths, query: Query) -> dict[str, list[str]]:
    """Hours of November by their answer, as `day hour`."""
    rows = query(
        published.published,
        "select answer, list(strftime(hour, '%d %H') order by hour) from meta.repaired_hours"
        " where station_id is null group by answer",
    )
    return dict(rows)


def test_missed_hours_are_repaired_as_far_back_as_real_time_answers(
    published: DataPaths, off_for: Callable[..., None], run: Run, query: Query, upstream: Upstream
) -> None:
    off_for(timedelta(hours=50), retention_hours=30)
    summary = run()
    # Off from 20 November 05:12 to 22 November 07:12. The packet begins on the 21st at 08 h, and real time at 02 h.
    gone = [f"20 {hour:02}" for hour in range(6, 24)] + ["21 00", "21 01"]
    assert repaired(published, query) == {"repaired": [f"21 {hour:02}" for hour in range(2, 8)], "gone": gone}
    assert "; 6 missed hours repaired by real time (2026-11-21 02 to 2026-11-21 07 UTC)" in str(summary)
    gone_words = "; 20 missed hours that real time has no longer (2026-11-20 06 to 2026-11-21 01 UTC)"
    assert gone_words in str(summary)
    # Each repaired hour says by which load it came. Only the département's own rows were kept.
    assert query(
        published.published,
        "select distinct loads.dataset, repaired.rows_seen = count(*) over (partition by hour)"
        " from meta.repaired_hours as repaired"
        " join raw.observations as rows on rows.observed_at = repaired.hour and rows.load_id = repaired.load_id"
        " join meta.loads as loads on loads.load_id = repaired.load_id",
    ) == [("paquet-stations-horaire", True)]
    assert query(published.published, "select distinct left(geo_id_insee, 2) from raw.observations") == [("09",)]
    hours = query(
        published.published,
        "select count(distinct observed_at) from marts.hourly_observations where observed_at > '2026-11-20 05:00:00Z'",
    )
    assert hours == [(6 + 24,)]
    # The next run asks for nothing again.
    asked = len([path for path in upstream.requests if "stations/horaire" in path])
    assert asked == 12
    assert {hour.source for hour in run().repaired} == {"order"}  # which the run before had ordered
    assert len([path for path in upstream.requests if "stations/horaire" in path]) == asked


def test_an_hour_that_real_time_calls_gone_is_given_by_the_archive(
    published: DataPaths, tmp_path: Path, query: Query
) -> None:
    hour = datetime(2026, 11, 20, 7, tzinfo=UTC)
    with open_build_file(published, "meteofrance") as connection:
        note_answers(connection, resolve_all(["9"]), [AskedHour(hour, "gone")])
    history = f"select station_id, source, temperature_c from marts.hourly_history where observed_at = '{hour}'"
    assert publish_archive(published, None, print) is None  # nothing new
    rows = [hour_of("2026-11-20T07", T="4.5", RR1="0.2")]
    latest = Archive(published, tmp_path / "archive")
    latest.load("H_09_latest-2025-2026.csv", text_of(rows, HOURS_HEADER), hour + timedelta(days=2))
    assert publish_archive(published, None, print) is not None
    assert query(published.published, history) == [("09289001", "archive", 4.5)]
    told = "select answer, source from meta.repaired_hours"
    assert query(published.published, told) == [("gone", None)]  # what real time said of it


def test_hours_that_failed_are_asked_for_again(
    published: DataPaths, off_for: Callable[..., None], query: Query, upstream: Upstream
) -> None:
    settings = upstream.settings(published.root)
    ingest_all = pipeline.plain_steps(settings, get_settings(), None, print).ingest_all

    def answers() -> list[str]:
        now = NOW + timedelta(hours=27)
        repair_gaps(ingest_all, METEOFRANCE.repair, settings, resolve_all(["9"]), now, print)
        found = query(published.build_file, "select strftime(hour, '%d %H') || ' ' || answer from meta.repaired_hours")
        return [answer for (answer,) in found]

    down = Fault(FaultKind.UNAVAILABLE, path="paquet/stations/horaire", times=None)
    off_for(timedelta(hours=27), down, retention_hours=30)
    with stamina.set_testing(True, attempts=1, cap=True):
        assert sorted(answers()) == ["20 06 failed", "20 07 failed", "20 08 failed"]
    off_for(timedelta(hours=27), retention_hours=30)
    assert sorted(answers()) == ["20 06 repaired", "20 07 repaired", "20 08 repaired"]


@pytest.mark.slow
@pytest.mark.parametrize("departments", [("9",), ("all",)], ids=["Ariège", "France"])
def test_a_week_off_is_repaired_without_a_hand(
    published: DataPaths,
    off_for: Callable[..., None],
    run: Run,
    query: Query,
    departments: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if departments == ("all",):
        monkeypatch.setattr(pipeline, "utc_now", lambda: NOW)
        run("all")
        with duckdb.connect(str(published.build_file)) as connection:
            connection.execute("update meta.loads set fetched_at = ?", [NOW])
    off_for(timedelta(days=7), retention_hours=120)
    run(*departments)
    found = repaired(published, query)
    # Five days of real time before 27 November 05:12, less what the run itself brings: a packet of 24 hours, or 36.
    own = 24 if departments == ("9",) else 36
    assert found["repaired"][0] == "22 06"
    assert len(found["repaired"]) == 120 - own
    hours = query(
        published.published,
        "select count(distinct observed_at) from marts.hourly_observations where observed_at > '2026-11-22 05:00:00Z'",
    )
    assert hours == [(120,)]


def test_an_hour_that_real_time_has_no_longer_is_rebuilt_from_six_minutes(
    published: DataPaths, off_for: Callable[..., None], run: Run, query: Query, upstream: Upstream
) -> None:
    # Off from 20 November 05:12 to 21 November 03:12; real time answers from 20 November 22 h on.
    off_for(timedelta(hours=22), retention_hours=6)
    upstream.reset(now=upstream.now, retention_hours=6)
    summary = run()
    rows = (
        "select hour(observed_at) as hour, source, count(*) from marts.hourly_observations"
        " where observed_at > '2026-11-20 05:00:00Z' group by all order by all"
    )
    before = query(published.published, rows)
    rebuilt = [(hour, count) for hour, source, count in before if source == "six_minutes"]
    assert [hour for hour, count in rebuilt if count > 10] == list(range(6, 22))
    assert "hours of single stations rebuilt from six-minute packets (2026-11-20 06 to 2026-11-2" in str(summary)
    told = "select distinct answer, source from meta.repaired_hours where station_id is not null"
    assert ("repaired", "six_minutes") in query(published.published, told)
    asked = [path for path in upstream.requests if "infrahoraire" in path]
    assert len(asked) == 14  # one request a station, not ten an hour
    # Nothing is asked for twice.
    run()
    assert [path for path in upstream.requests if "infrahoraire" in path] == asked

    kept = "select count(*), count(tx) from raw.rebuilt_observations"
    assert query(published.published, kept) == [(16 * 14, 0)]

"""Which hours a station misses, and which few requests are to answer for them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from ingestion.departments import all_departments, resolve_all
from ingestion.meteofrance.source import METEOFRANCE
from ingestion.paths import DataPaths
from ingestion.raw_store import open_build_file
from ingestion.station_gaps import StationHour, find_station_gaps, plan_fine_requests

NOW = datetime(2026, 11, 20, 20, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
assert METEOFRANCE.repair is not None
assert METEOFRANCE.repair.finer is not None
REPAIR, FINER = METEOFRANCE.repair, METEOFRANCE.repair.finer


@pytest.fixture
def raw(data_dir: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_build_file(DataPaths(data_dir), "meteofrance") as connection:
        fetched(connection, "paquet-horaire", "9", MIDNIGHT - 10 * HOUR)
        for hour in range(20):  # up to 19 h
            if hour not in (8, 9, 18):
                told(connection, "raw.observations", "09289001", hour)
            told(connection, "raw.observations", "31042012", hour)
        told(connection, "raw.observations", "09000009", -10)  # silent since then
        yield connection


def told(connection: duckdb.DuckDBPyConnection, table: str, station: str, hour: int) -> None:
    at = MIDNIGHT + hour * HOUR
    connection.execute(
        f"insert into {table} (geo_id_insee, observed_at, version, load_id, first_seen_at, version_seen_at)"
        " values (?, ?, 1, 1, ?, ?)",
        [station, at, at, at],
    )


def fetched(connection: duckdb.DuckDBPyConnection, dataset: str, scope: str, at: datetime) -> None:
    connection.execute(
        "insert into meta.loads (load_id, source, dataset, scope, status, payload, payload_digest, fetched_at,"
        " loaded_at, seconds) values (1, 'meteofrance', ?, ?, 'loaded', '', '', ?, ?, 0)",
        [dataset, scope, at, at],
    )


def gaps(connection: duckdb.DuckDBPyConnection, now: datetime = NOW) -> list[str]:
    missing = find_station_gaps(connection, REPAIR, FINER, resolve_all(["9"]), now)
    return [f"{station} {hour:%d %H}" for station, hour in sorted(missing)]


def test_an_hour_is_missing_three_hours_later_while_its_station_reports(raw: duckdb.DuckDBPyConnection) -> None:
    # 18 h may still come at 20:12. What reported before yesterday 20:12 only is silent, not late.
    assert gaps(raw) == ["09289001 20 08", "09289001 20 09"]
    assert gaps(raw, NOW + HOUR) == ["09289001 20 08", "09289001 20 09", "09289001 20 18"]
    # A day later the packets of finer time do not reach back to it.
    assert gaps(raw, MIDNIGHT + 33 * HOUR) == [f"09289001 20 {hour}" for hour in (18, 20, 21, 22, 23)] + [
        f"09289001 21 0{hour}" for hour in range(7)
    ]


def test_nothing_is_asked_for_twice(raw: duckdb.DuckDBPyConnection) -> None:
    told(raw, "raw.rebuilt_observations", "09289001", 8)
    assert gaps(raw) == ["09289001 20 09"]
    fetched(raw, FINER.dataset, "09289001", NOW)
    assert gaps(raw) == []
    # The hour that has become late since is asked for when six hours are over.
    assert gaps(raw, NOW + 5 * HOUR) == []
    assert gaps(raw, NOW + 7 * HOUR)[0] == "09289001 20 18"
    fetched(raw, FINER.dataset, "20261120T18Z", NOW + 7 * HOUR)  # the hour of every station
    assert gaps(raw, NOW + 8 * HOUR)[0] == "09289001 20 20"


def test_a_new_warehouse_misses_nothing(raw: duckdb.DuckDBPyConnection) -> None:
    raw.execute("update meta.loads set fetched_at = ?", [NOW])
    assert gaps(raw) == []


def test_requests_that_answer_for_the_most_hours_come_first() -> None:
    def plan(missing: set[StationHour]) -> list[tuple[str, int]]:
        return [(r.packet.scope, len(r.wanted)) for r in plan_fine_requests(missing, FINER, all_departments())]

    ids = [f"{number:08}" for number in range(1, 32)]
    # Twelve hours of one station in one request; an hour of 31 stations is ten requests.
    missing = {(ids[0], MIDNIGHT + n * HOUR) for n in range(12)}
    assert plan(missing) == [("00000001", 12)]
    assert plan(missing | {("00000009", MIDNIGHT)}) == [("00000001", 12), ("00000009", 1)]
    whole = {(station, MIDNIGHT + n * HOUR) for station in ids for n in (3, 4)}
    assert plan(whole) == [("20261120T03Z", 31), ("20261120T04Z", 31)]
    assert plan({(station, MIDNIGHT) for station in ids[:10]}) == [(station, 1) for station in reversed(ids[:10])]
    # Never more than twenty requests a run.
    assert len(plan({(f"{number:08}", MIDNIGHT + number % 20 * HOUR) for number in range(100)})) == 20
    three = {(station, MIDNIGHT + n * HOUR) for station in ids for n in (3, 4, 5)}
    assert plan(three) == [("20261120T03Z", 31), ("20261120T04Z", 31)]

"""The last 24 hours beside each station: curves, and the extremes, of hours written by hand."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hand_made import hand_made

from api.page.last_day import curve_path, find_extremes, read_last_day
from api.page.measures import MEASURES
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.settings import WarehouseSettings

NEWEST = datetime(2026, 1, 2, 12, tzinfo=UTC)
TEMPERATURE, RAIN = MEASURES[0], MEASURES[1]


@pytest.fixture
def executor() -> Iterator[Executor]:
    opened = Executor(WarehouseSettings(_env_file=None))
    yield opened
    opened.close()


@pytest.fixture
def hours() -> OpenSnapshot:
    """A: 0 to 15 °C, 0.5 mm an hour; B: two hours of 3 °C, the second with a gust. One hour of A is too old."""
    snapshot = hand_made(
        "create table marts.hourly_observations (station_id varchar, department_code varchar, observed_at timestamptz,"
        " temperature_c double, temperature_min_c double, temperature_max_c double, precipitation_mm double,"
        " gust_ms double)"
    )
    rows: list[list[Any]] = [["A", "9", NEWEST - timedelta(hours=24), 40.0, None, None, 9.0, 99.0]]
    rows += [["A", "9", NEWEST - timedelta(hours=h), min(15.0, h), None, None, 0.5, 5.0] for h in range(24)]
    rows.append(["B", "31", NEWEST - timedelta(hours=1), 3.0, -1.5, 16.5, 7.0, None])
    rows.append(["B", "31", NEWEST, 3.0, None, None, 7.0, 20.0])
    snapshot.connection.executemany("insert into marts.hourly_observations values (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    return snapshot


def test_a_curve_is_drawn_by_letters_and_broken_by_missing_hours():
    # `a` is the bottom (15), `p` the top (0); two equal hours, a gap, and a lone hour.
    assert curve_path("aabp--c") == "M0 15h0h1l1-1l1-14M6 13h0"
    assert curve_path("-" * 24) == ""


def test_each_station_has_its_curve_and_its_extremes(hours: OpenSnapshot, executor: Executor):
    found = read_last_day(hours, executor, TEMPERATURE, NEWEST)
    # 23 hours back it was min(15, 23) = 15: nine hours at the top, then a degree less each hour, and each is a step.
    assert found["A"]["curve"] == "p" * 9 + "onmlkjihgfedcba"
    assert (found["A"]["hottest"], found["A"]["coldest"], found["A"]["wettest"], found["A"]["windiest"]) == (
        15, 0, 12.0, 18.0
    )  # fmt: skip
    # The extremes within an hour count. 22 hours are missing, so there is no sum of rain.
    b = found["B"]
    assert (b["curve"], b["hottest"], b["coldest"], b["wettest"]) == ("-" * 22 + "aa", 16.5, -1.5, None)
    assert (b["hottest_at"], b["windiest_at"], b["windiest"]) == (NEWEST - timedelta(hours=1), NEWEST, 72.0)


def test_rain_begins_at_zero_and_departements_are_chosen(hours: OpenSnapshot, executor: Executor):
    found = read_last_day(hours, executor, RAIN, NEWEST, ("department_code in (?)", ["9"]))
    # 0.5 of 5 mm, the least height of a curve, is 1.5 of 15 steps, and DuckDB rounds it up.
    assert {name: row["curve"] for name, row in found.items()} == {"A": "c" * 24}
    assert read_last_day(hours, executor, RAIN, None) == {}


def test_the_extremes_are_of_the_stations_shown(hours: OpenSnapshot, executor: Executor):
    last_day = read_last_day(hours, executor, TEMPERATURE, NEWEST)
    stations = [{"station_id": name, "station_name": name.lower()} for name in "ABC"]
    told = find_extremes(stations, last_day)
    assert [(e["name"], e["value"], e["station_name"]) for e in told] == [
        ("hottest", 16.5, "b"), ("coldest", -1.5, "b"), ("wettest", 12.0, "a"), ("windiest", 72.0, "b")
    ]  # fmt: skip
    assert find_extremes(stations[:1], last_day)[0]["value"] == 15
    assert find_extremes(stations[2:], last_day) == []

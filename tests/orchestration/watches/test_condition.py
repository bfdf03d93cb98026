"""Conditions as people write them. No text of a caller gets into SQL."""

from datetime import UTC, datetime

import duckdb
import pytest

from orchestration.errors import BadCondition
from orchestration.snapshots.snapshots import served_snapshot
from orchestration.watches.condition import COLUMNS, Condition, read_condition
from orchestration.watches.quiet import read_quiet_hours


@pytest.mark.parametrize(
    ("text", "expected", "written"),
    [
        ("temperature_c < 0", Condition("temperature_c", "<", 0), "temperature_c < 0"),
        ("temperature_c<-2.5", Condition("temperature_c", "<", -2.5), "temperature_c < -2.5"),
        (
            "precipitation_24h_mm >= 30",
            Condition("precipitation_24h_mm", ">=", 30),
            "precipitation_24h_mm >= 30",
        ),
        ("  gust_ms  > 25  for 2 h ", Condition("gust_ms", ">", 25, 2), "gust_ms > 25 for 2 h"),
        ("radiation_j_m2 > 1500000", Condition("radiation_j_m2", ">", 1_500_000), "radiation_j_m2 > 1500000"),
        ("silent 6 h", Condition("silent", ">=", 6), "silent 6 h"),
    ],
)
def test_conditions_are_read_and_written(text, expected, written):
    assert read_condition(text) == expected
    assert str(expected) == written
    assert read_condition(written) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "temperature_c",
        "temperature_c = 0",
        "temperature_c < 0; drop table x",
        "temperature_c < (select 1)",
        "temperature_c < 1e9",
        "temperature_c < nan",
        "station_id < 0",
        "temperature_c) < 0",
        "temperature_c < 0 for 25 h",
        "temperature_c < 0 for 0 h",
        "silent 0 h",
        "silent 241 h",
        "silent",
        "temperature_c < ٣",
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(BadCondition):
        read_condition(text)


def test_a_near_column_is_named():
    with pytest.raises(BadCondition, match="did you mean `temperature_c`"):
        read_condition("temperatur_c < 0")


def test_every_column_is_a_number_of_the_hourly_mart(published):
    snapshot = served_snapshot(published)
    assert snapshot is not None
    file = published.snapshots / snapshot.id / "warehouse.duckdb"
    with duckdb.connect(str(file), read_only=True) as connection:
        kinds = dict(
            connection.execute("select column_name, column_type from (describe marts.hourly_observations)").fetchall()
        )
    assert set(kinds) >= COLUMNS
    assert {kinds[column] for column in COLUMNS} <= {"DOUBLE", "INTEGER", "BIGINT", "SMALLINT", "TINYINT"}


@pytest.mark.parametrize(
    ("moment", "expected"),
    [  # in Paris, an hour ahead of UTC in winter
        ("2026-11-20T20:59", "2026-11-20T20:59"),
        ("2026-11-20T21:00", "2026-11-21T06:00"),
        ("2026-11-21T05:59", "2026-11-21T06:00"),
        ("2026-11-21T06:00", "2026-11-21T06:00"),
        ("2027-03-27T23:00", "2027-03-28T05:00"),  # the night in which summer time begins
    ],
)
def test_quiet_hours_end_in_the_morning(moment, expected):
    quiet = read_quiet_hours("22:00-07:00", "Europe/Paris")
    at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert quiet.end_after(at).astimezone(UTC) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_quiet_hours_within_a_day():
    quiet = read_quiet_hours("12:00-14:30", "UTC")
    assert quiet.end_after(datetime(2026, 11, 20, 13, tzinfo=UTC)) == datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
    assert quiet.end_after(datetime(2026, 11, 20, 15, tzinfo=UTC)) == datetime(2026, 11, 20, 15, tzinfo=UTC)


@pytest.mark.parametrize("text", ["22-07", "22:00-22:00", "24:00-07:00", "22:00", "22:00-07:60"])
def test_wrong_quiet_hours_are_refused(text):
    with pytest.raises(ValueError, match="quiet hours"):
        read_quiet_hours(text, "UTC")

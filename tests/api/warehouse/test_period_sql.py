"""The SQL of a period over a table made by hand: holes, days, nights, the two kinds of gusts, the change of clocks."""

from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from api.warehouse.question.period_sql import period_sql
from api.warehouse.question.quantities import QUANTITIES

START = datetime(2026, 10, 24, 22, tzinfo=UTC)  # midnight in Paris, the day that has 25 hours
COLUMNS = ("station_id", "observed_at", "precipitation_mm", "temperature_c", "temperature_min_c", "temperature_max_c",
           "gust_ms", "gust_kind")  # fmt: skip


def ask(
    hours: dict[int, tuple[Any, ...]], quantity: str, over: float | None, under: float | None, **options: Any
) -> dict[str, Any]:
    """`hours` by their number from START, each with rain, temperature, its minimum and maximum, gust and kind."""
    last = START + timedelta(hours=49)  # two days: 25 and 24 hours
    first = START + timedelta(hours=1)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(
            "create table hours (station_id varchar, observed_at timestamptz, precipitation_mm double,"
            " temperature_c double, temperature_min_c double, temperature_max_c double, gust_ms double,"
            " gust_kind varchar)"
        )
        rows = [("09000001", START + timedelta(hours=hour), *values) for hour, values in hours.items()]
        connection.executemany(f"insert into hours values ({', '.join('?' * len(COLUMNS))})", rows)
        sql = period_sql("hours", 1, [QUANTITIES[quantity]], by_night=options.get("by_night", False))
        bounds = ["Europe/Paris", first, last]
        (row,) = connection.execute(sql, [*bounds, *bounds, "09000001", over, under, last]).to_arrow_table().to_pylist()
    return row


def hour(rain: float | None = 0, temperature: float | None = 5, low: float | None = None, high: float | None = None,
         gust: float | None = 3, kind: str = "3s") -> tuple[Any, ...]:  # fmt: skip
    return rain, temperature, low, high, gust, kind


def moment(number: int) -> datetime:
    return START + timedelta(hours=number)


EVERY = dict.fromkeys(range(1, 50), hour())


def test_a_whole_period_has_its_sum() -> None:
    row = ask(EVERY | {3: hour(0.4), 30: hour(0.7), 31: hour(0.7)}, "precipitation_mm", 1, None)
    assert (row["hours_expected"], row["hours_missing"]) == (49, 0)
    assert row["sum"] == row["sum_there"] == 1.8
    assert (row["days_over"], row["days_over_unsure"]) == (1, 0)  # 0.4 mm the first day, 1.4 mm the second
    assert (row["max"], row["max_at"]) == (0.7, moment(30))  # the first hour of two
    assert (row["hours_over"], row["last_over_at"]) == (0, None)  # no hour has 1 mm


def test_a_missing_hour_leaves_the_sum_open_and_the_day_unsure() -> None:
    holes = {number: values for number, values in (EVERY | {30: hour(1.2)}).items() if number not in (5, 40)}
    row = ask(holes | {6: hour(None)}, "precipitation_mm", 1, None)
    assert (row["hours_there"], row["hours_missing"]) == (46, 3)  # a row without a reading is missing too
    assert (row["sum"], row["sum_there"]) == (None, 1.2)
    # The second day is over whatever its missing hour had; the first may be.
    assert (row["days_over"], row["days_over_unsure"]) == (1, 1)
    assert (row["last_over_at"], row["hours_missing_after"]) == (moment(30), 1)
    assert (row["last"], row["last_at"]) == (0, moment(49))


def test_little_rain_is_certain_only_when_the_day_is_whole() -> None:
    holes = {number: values for number, values in EVERY.items() if number != 5}
    row = ask(holes, "precipitation_mm", None, 0.5)
    assert (row["days_under"], row["days_under_unsure"]) == (1, 1)
    row = ask(holes | {7: hour(0.6)}, "precipitation_mm", None, 0.5)
    assert (row["days_under"], row["days_under_unsure"]) == (1, 0)


def test_a_day_without_any_hour_is_unsure() -> None:
    row = ask({number: hour() for number in range(26, 50)}, "temperature_c", None, 0)
    assert (row["hours_missing"], row["days_under"], row["days_under_unsure"]) == (25, 0, 1)


def test_one_frost_night_is_two_frost_days() -> None:
    """23:00 in Paris of the long day is its 24th hour, and midnight its 25th."""
    frost = EVERY | {24: hour(temperature=0.5, low=-0.3), 27: hour(temperature=-1)}
    by_day = ask(frost, "temperature_c", None, 0)
    by_night = ask(frost, "temperature_c", None, 0, by_night=True)
    assert (by_day["days_under"], by_night["days_under"]) == (2, 1)
    assert (by_day["hours_under"], by_night["hours_under"]) == (1, 1)  # by the reading at the hour
    assert (by_day["min"], by_day["min_at"], by_day["mean"]) == (-1, moment(27), round((47 * 5 + 0.5 - 1) / 49, 2))


def test_gusts_of_two_kinds_have_no_highest() -> None:
    windy = EVERY | {9: hour(gust=21.5)}
    assert (ask(windy, "gust_ms", None, None)["max"], ask(windy, "gust_ms", None, None)["max_at"]) == (21.5, moment(9))
    mixed = windy | {10: hour(kind="instantaneous")}
    assert ask(mixed, "gust_ms", None, None)["max"] is None


@pytest.mark.parametrize("quantity", ["precipitation_mm", "temperature_c", "gust_ms"])
def test_no_threshold_counts_nothing(quantity: str) -> None:
    row = ask(EVERY, quantity, None, None)
    for name in ("over", "hours_over", "days_over", "days_over_unsure", "under", "hours_under", "days_under"):
        assert row[name] is None, name

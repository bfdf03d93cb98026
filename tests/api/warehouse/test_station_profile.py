from datetime import UTC, datetime, timedelta

from api.warehouse.question.station_profile import window_start

NEWEST = datetime(2026, 11, 23, 6, tzinfo=UTC)


def test_the_window_starts_before_the_first_hour_or_thirty_days_back() -> None:
    assert window_start(NEWEST, NEWEST - timedelta(hours=5)) == NEWEST - timedelta(hours=6)
    assert window_start(NEWEST, NEWEST - timedelta(days=400)) == NEWEST - timedelta(days=30)


def test_a_first_hour_in_the_year_1_is_no_error() -> None:
    assert window_start(NEWEST, datetime(1, 1, 1, tzinfo=UTC)) == NEWEST - timedelta(days=30)

"""How hours become the points of curves, in the browser that draws them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("service")

START = datetime(2026, 1, 1, 1, tzinfo=UTC)
HOUR_MS = 3_600_000
READ = """async (rows) => {
  const own = document.querySelector("script[src*=page]").src;
  const { readPoints, hoursPerPoint } = await import(own.replace("page.js", "points.js"));
  const points = readPoints(rows);
  return [hoursPerPoint(points), points];
}"""


def hour(number: int, **fields: Any) -> dict[str, Any]:
    at = (START + timedelta(hours=number)).isoformat()
    quiet = {"temperature_c": 1.0, "temperature_min_c": None, "precipitation_mm": 0.5, "gust_ms": 10.0}
    return {"station_id": "09289001", "station_name": "ST GIRONS", "observed_at": at} | quiet | fields


@pytest.fixture
def read(visit: Callable) -> Callable[..., Any]:
    page = visit().open("/page/runs")
    return lambda rows: page.evaluate(READ, rows)


def test_hours_are_points_and_a_missing_hour_breaks_the_line(read: Callable[..., Any]):
    span, points = read([hour(0), hour(1), hour(4)])
    assert span == 1
    assert [point.get("temperature_c") for point in points] == [1.0, 1.0, None, 1.0]
    assert [point.get("rain_sum") for point in points] == [0.5, 1.0, None, 1.5]
    assert points[0]["gust_kmh"] == pytest.approx(36)
    assert points[0]["observed_at"] - points[0]["from"] == HOUR_MS


def test_times_read_as_the_reader_has_them(read: Callable[..., Any]):
    _, points = read([hour(0, observed_at="2026-07-01T12:00:00+02:00")])
    assert points[0]["observed_at"] == datetime(2026, 7, 1, 12, tzinfo=UTC).timestamp() * 1000


def test_a_month_and_more_is_drawn_by_days_with_means_extremes_and_sums(read: Callable[..., Any]):
    rows = [
        hour(number, temperature_c=float(number % 24), temperature_min_c=float(number)) for number in range(24 * 40)
    ]
    del rows[24 * 3 + 5]  # one hour of the fourth day
    span, points = read(rows)
    assert (span, len(points)) == (24, 40)
    assert points[0]["temperature_c"] == pytest.approx(11.5)
    assert points[1]["temperature_min_c"] == 24
    assert points[0]["precipitation_mm"] == 12
    assert points[3]["precipitation_mm"] is None
    assert points[3]["temperature_c"] is not None


def test_years_are_drawn_by_weeks(visit: Callable):
    page = visit().open("/page/runs")
    # Made where they are read: sending so many rows would take longer than the test.
    made = """([start, hour, count]) => Array.from({ length: count }, (_, number) =>
        ({ ...hour, observed_at: new Date(Date.parse(start) + number * 3600000).toISOString() }))"""
    rows = [START.isoformat(), hour(0), 24 * 900]
    span, count = page.evaluate(
        f"async (told) => {{ const [span, points] = await ({READ})(({made})(told)); return [span, points.length]; }}",
        rows,
    )
    assert span == 24 * 7
    assert 128 <= count <= 130

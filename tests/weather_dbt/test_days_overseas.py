"""Overseas days are cut in FU, Météo-France's fixed local time; where FU is not known, no day is cut."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from test_values import V2, packet

from ingestion.__main__ import main as ingest

Query = Callable[..., list[dict[str, Any]]]

FIRST_HOUR = datetime(2026, 1, 8, 7, tzinfo=UTC)
SHOWER = datetime(2026, 1, 9, 23, tzinfo=UTC)  # 10 h in Nouméa on 10 January
NOON = datetime(2026, 1, 10, 2, tzinfo=UTC)  # 13 h in Nouméa on 10 January


def load(folder: Path, station: str) -> None:
    """Load 90 hours of 22 °C with 10 mm in one of them and 32 °C in another."""
    rows = []
    for hour in (FIRST_HOUR + timedelta(hours=step) for step in range(90)):
        t = "305.15" if hour == NOON else "295.15"
        values = {"t": t, "tx": t, "tn": t, "rr1": "10.0" if hour == SHOWER else "0.0"}
        rows.append((station, {**values, "validity_time": f"{hour:%Y-%m-%dT%H:%M:%SZ}"}))
    (folder / f"{station}.csv").write_text(packet(V2, *rows))
    assert ingest(["--file", str(folder / f"{station}.csv")]) == 0


def days_with(query: Query, station: str, condition: str) -> list[date]:
    rows = query(
        f"select observed_date from marts.daily_observations where station_id = ? and {condition} order by 1", station
    )
    return [row["observed_date"] for row in rows]


def test_a_day_in_noumea_is_cut_in_its_own_time(tmp_path: Path, build: Callable[[], None], query: Query):
    load(tmp_path, "98818001")
    build()
    assert days_with(query, "98818001", "precipitation_mm = 10 and temperature_max_c = 32") == [date(2026, 1, 10)]
    # 19 FU on 9 January to 18 FU on 10 January is whole, as is 00 to 24 FU.
    assert date(2026, 1, 10) in days_with(query, "98818001", "temperature_min_hours = 24 and present_hours = 24")
    # From 06 FU on 11 January, 36 hours on: the newest hour is 11 FU on 12 January.
    assert days_with(query, "98818001", "is_final") == [date(2026, 1, day) for day in (8, 9)]
    [expected] = query(
        "select sum(expected_hours) as expected, sum(present_hours) as present from marts.completeness"
        " where station_id = '98818001'"
    )
    assert expected == {"expected": 90, "present": 90}


def test_days_west_of_greenwich_and_in_france_are_cut_in_their_own_time(
    tmp_path: Path, build: Callable[[], None], query: Query
):
    for station in ("98700001", "09000001"):
        load(tmp_path, station)
    build()
    # 23 UTC is 13 FU in Tahiti, 02 UTC is 16 FU the day before.
    assert days_with(query, "98700001", "precipitation_mm = 10 and temperature_max_c = 32") == [date(2026, 1, 9)]
    assert days_with(query, "09000001", "precipitation_mm = 10 and temperature_max_c = 32") == [date(2026, 1, 9)]
    assert days_with(query, "09000001", "temperature_mean_c > 22") == [date(2026, 1, 10)]
    assert days_with(query, "98700001", "temperature_mean_c > 22") == [date(2026, 1, 9)]


def test_an_unknown_offset_is_a_finding_and_its_days_are_not_built(
    tmp_path: Path, build: Callable[[], None], query: Query
):
    load(tmp_path, "98404001")
    build()
    assert query("select * from marts.daily_observations") == []
    assert query("select station_id, rule, severity from meta.quality_findings where field = 'utc_offset_hours'") == [
        {"station_id": "98404001", "rule": "utc_offset_unknown", "severity": "suspicious"}
    ]
    [station] = query("select observed_hours, sensors, last_observed_at from marts.stations")
    assert station == {
        "observed_hours": 90,
        "sensors": ["temperature", "precipitation"],
        "last_observed_at": FIRST_HOUR + timedelta(hours=89),
    }
    assert len(query("select * from marts.latest_observations")) == 1

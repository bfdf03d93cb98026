"""Windows and days of the marts against the same counted again in plain Python: zero differences."""

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest
from recount import WINDOWS, Hours, change, day, window

from ingestion.demo.weather import load_stations, weather_between
from ingestion.landing import describe_payload, land_payload
from ingestion.load import load_payload
from ingestion.meteofrance.schema import V2_COLUMNS
from ingestion.paths import DataPaths
from ingestion.raw_store import open_build_file

TEN_STATIONS = (
    *("09023002", "09024004", "09027001", "09099001", "09161003"),
    *("09199002", "09285400", "09289001", "09301001", "09328001"),
)
DEPT_76 = "paquet-horaire_dept76_v1_2024-10-17T14Z.json"
NO_DIFFERENCE = 0.0051  # the marts round to two decimals, where a tie may go either way


def test_a_demo_month_of_ten_stations(paths: DataPaths, build: Callable[[], None], query: Callable[..., Any]):
    hours = load_demo(paths, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
    build()
    assert len(hours) > 7_000
    assert differences(query, hours, every=3) == []


@pytest.mark.slow
def test_a_demo_year_of_ten_stations(paths: DataPaths, build: Callable[[], None], query: Callable[..., Any]):
    hours = load_demo(paths, datetime(2025, 7, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
    build()
    assert len(hours) > 80_000
    assert differences(query, hours, every=1) == []


def test_the_real_packet_of_seine_maritime(
    paths: DataPaths, build: Callable[[], None], query: Callable[..., Any], real_file: Callable[[str], Any]
):
    body = real_file(DEPT_76).read_bytes()
    load(paths, body, "json", "meteofrance")
    build()
    hours = keyed({k: "" if v is None else str(v) for k, v in row.items()} for row in json.loads(body))
    assert len(hours) == 450
    # v1's gusts are another quantity: the window of them is compared under their own field.
    gusts_as_v2 = {key: {**row, "raf": row["fxi"]} for key, row in hours.items()}
    assert differences(query, gusts_as_v2, every=1) == []


def differences(query: Callable[..., Any], hours: Hours, every: int) -> list[object]:
    """Every window of every so-many-th hour, and every day, that differ from the recount."""
    rows = query("select * from marts.hourly_observations order by station_id, observed_at")
    days = query("select * from marts.daily_observations")
    assert len(rows) == len(hours)
    found: list[object] = []
    for row in rows[::every]:
        station, at = row["station_id"], row["observed_at"].astimezone(UTC)
        for quantity in WINDOWS:
            unit = {"precipitation": "mm", "gust_max": "ms", "snow_depth_max": "cm"}.get(quantity, "c")
            for slots in (24,) if quantity == "snow_depth_max" else (3, 6, 12, 24):
                value, count = window(hours, station, at, slots, quantity)
                name = f"{quantity}_{slots}h"
                if differs(row[f"{name}_{unit}"], value) or row[f"{name}_hours"] != count:
                    found.append((station, at, name, row[f"{name}_{unit}"], row[f"{name}_hours"], value, count))
        for column, field, slots in (("snow_depth_change_24h_cm", "sss", 24), ("pressure_tendency_3h_hpa", "pres", 3)):
            expected = change(hours, station, at, field, slots)
            if differs(row[column], expected):
                found.append((station, at, column, row[column], expected))
    for row in days:
        expected_day = day(hours, row["station_id"], row["observed_date"])
        found += [
            (row["station_id"], row["observed_date"], name, row[name], value)
            for name, value in expected_day.items()
            if differs(row[name], value)
        ]
    return found


def differs(ours: object, theirs: object) -> bool:
    if isinstance(ours, float) and isinstance(theirs, float):
        return abs(ours - theirs) > NO_DIFFERENCE
    return ours != theirs


def keyed(rows: Any) -> Hours:
    return {
        (row["geo_id_insee"], datetime.fromisoformat(row["validity_time"].replace("Z", "+00:00"))): row for row in rows
    }


def load(paths: DataPaths, body: bytes, format: Any, source: str) -> None:
    landed = describe_payload(paths.landing / source, body, "paquet-horaire", "file", datetime.now(UTC), format)
    land_payload(landed, body)
    with open_build_file(paths, source) as connection:
        load_payload(connection, landed, source=source)


def load_demo(paths: DataPaths, start: datetime, end: datetime) -> Hours:
    """Load demo weather of ten stations as one packet, one row in 40 and one reading in 50 left out."""
    body = demo_packet(start, end)
    load(paths, body, "csv", "demo")
    return keyed(csv.DictReader(io.StringIO(body.decode()), delimiter=";"))


def demo_packet(start: datetime, end: datetime) -> bytes:
    with duckdb.connect() as connection:
        load_stations(connection)
        weather = weather_between(connection, start, end, station_ids=list(TEN_STATIONS))
        names, rows = weather.columns, weather.fetchall()
    text = io.StringIO()
    writer = csv.DictWriter(text, V2_COLUMNS, delimiter=";", lineterminator="\n", restval="")
    writer.writeheader()
    for number, values in enumerate(rows):
        if number * 7919 % 40 == 0:
            continue
        row = dict(zip(names, values, strict=True))
        row["validity_time"] = row["validity_time"].strftime("%Y-%m-%dT%H:%M:%SZ")
        for place, name in enumerate(names[4:]):
            if (number * 31 + place * 17) % 50 == 0:
                row[name] = None
        writer.writerow(row)
    return text.getvalue().encode()

"""Hours rebuilt from finer packets: the hourly row comes first, in either order of arrival, and erases nothing."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from ingestion.landing import describe_payload, land_payload
from ingestion.load import load_payload
from ingestion.meteofrance.schema import instants_of
from ingestion.paths import DataPaths
from ingestion.raw_store import open_build_file

HOUR = datetime(2026, 11, 20, 4, tzinfo=UTC)
TOLD = f"{HOUR:%Y-%m-%dT%H:%M:%SZ}"
HOURLY = ("t", "tx", "tn", "u", "dd", "ff", "rr1", "pmer", "dxi", "fxi")


def hourly(station: str, **values: object) -> list[dict[str, object]]:
    return [{"geo_id_insee": station, "validity_time": TOLD, **dict.fromkeys(HOURLY), **values}]


def six_minutes(station: str, **values: object) -> list[dict[str, object]]:
    times = [f"{instant:%Y-%m-%dT%H:%M:%SZ}" for instant in instants_of(HOUR)]
    return [{"geo_id_insee": station, "validity_time": time, "t": 281.15, **values} for time in times]


def test_the_hourly_row_comes_first_and_an_empty_value_of_it_erases_nothing(
    paths: DataPaths, build: Callable[[], None], query: Callable[..., list[dict[str, Any]]]
) -> None:
    fine = {"rr_per": 0.04, "raf10": 12.0, "ddraf10": 200}
    told = [
        ("paquet-horaire", hourly("09000001", t=280.15, tx=280.65, fxi=15.0, dxi=100)),
        ("paquet-infrahoraire-6m", six_minutes("09000001", **fine)),
        ("paquet-infrahoraire-6m", six_minutes("09000002", **fine)),
        ("paquet-horaire", hourly("09000002", t=280.15, tx=280.65, fxi=15.0, dxi=100)),
        ("paquet-infrahoraire-6m", six_minutes("09000003", **fine)),
    ]
    for minute, (dataset, rows) in enumerate(told):
        body, at = json.dumps(rows).encode(), HOUR + timedelta(minutes=30 + minute)
        landed = describe_payload(paths.landing / "demo", body, dataset, "file", at, "json")
        land_payload(landed, body)
        with open_build_file(paths, "demo") as connection:
            load_payload(connection, landed, source="demo")
    build()
    rows = query(
        "select source, temperature_c, temperature_max_c, precipitation_mm, gust_ms, gust_kind"
        " from marts.hourly_observations order by station_id"
    )
    # 280.15 K are 7 °C, ten times 0.04 mm are 0.4 mm. A 3-second gust does not stand beside an instantaneous one.
    both = ("realtime", 7.0, 7.5, 0.4, 15.0, "instantaneous")
    assert [tuple(row.values()) for row in rows] == [both, both, ("six_minutes", 8.0, None, 0.4, 12.0, "3s")]

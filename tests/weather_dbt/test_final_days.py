"""Days become final by the hours that were sent after them, not by the time at which a packet is loaded."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from test_values import V2, packet

from ingestion.__main__ import main as ingest

Query = Callable[..., list[dict[str, Any]]]


def load(folder: Path, *hours: str, station: str = "09000001") -> None:
    file = folder / f"{station}-{hours[0]}.csv"
    file.write_text(packet(V2, *((station, {"rr1": "0.2", "validity_time": f"{hour}:00:00Z"}) for hour in hours)))
    assert ingest(["--file", str(file)]) == 0


def final_days(query: Query, department: str = "9") -> list[date]:
    rows = query(
        "select distinct observed_date from marts.daily_observations where is_final and department_code = ? order by 1",
        department,
    )
    return [row["observed_date"] for row in rows]


def test_an_old_capture_loaded_today_makes_no_unfinished_day_final(
    build: Callable[[], None], query: Query, real_file: Callable[[str], Path]
):
    assert ingest(["--file", str(real_file("paquet-horaire_dept76_v1_2024-10-17T14Z.json"))]) == 0
    build()
    [day] = query("""
        select count(*) as stations, max(precipitation_hours) as hours, bool_or(is_final) as is_final
        from marts.daily_observations where observed_date = '2024-10-17'
    """)
    assert day == {"stations": 18, "hours": 8, "is_final": False}


@pytest.mark.parametrize(("hour", "final"), [("17", []), ("18", [date(2026, 1, 10)])])
def test_a_day_is_final_once_its_departement_sent_an_hour_36_hours_after_it(
    tmp_path: Path, build: Callable[[], None], query: Query, hour: str, final: list[date]
):
    load(tmp_path, "2026-01-10T12", "2026-01-11T06")
    load(tmp_path, "2026-01-20T12", station="31000001")  # another département says nothing about this one
    load(tmp_path, f"2026-01-12T{hour}", station="09000002")
    build()
    assert final_days(query) == final

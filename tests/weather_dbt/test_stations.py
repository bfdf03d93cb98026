"""The list of stations as it changes."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from ingestion.__main__ import main as ingest

HEADER = "Id_station;Id_omm;Nom_usuel;Latitude;Longitude;Altitude;Date_ouverture;Pack"
BLAGNAC = "31069001;07630;TOULOUSE-BLAGNAC;43.621000;1.378833;151;1947-01-01;RADOME"
FRANCAZAL = "31157001;;TOULOUSE-FRANCAZAL;43.545000;1.367500;164;1922-01-01;ETENDU"


def test_a_station_that_leaves_the_list_is_unlisted_until_it_comes_back(
    tmp_path: Path, build: Callable[[], None], query: Callable[..., list[dict[str, Any]]]
):
    def load(*listed: str) -> None:
        file = tmp_path / "list.csv"
        file.write_text("\n".join([HEADER, *listed, ""]))
        assert ingest(["--file", str(file)]) == 0

    def stations() -> dict[str, Any]:
        build()
        rows = query("select station_name, is_listed, unlisted_since from marts.stations")
        return {row["station_name"]: (row["is_listed"], row["unlisted_since"]) for row in rows}

    load(BLAGNAC, FRANCAZAL)
    load(BLAGNAC)
    [left] = query("select max(fetched_at) as at, max(rows_left) as rows_left from meta.loads")
    assert left["rows_left"] == 1
    assert stations() == {"TOULOUSE-BLAGNAC": (True, None), "TOULOUSE-FRANCAZAL": (False, left["at"])}
    load(FRANCAZAL, BLAGNAC)
    assert stations() == {"TOULOUSE-BLAGNAC": (True, None), "TOULOUSE-FRANCAZAL": (True, None)}


def test_a_place_or_a_day_that_cannot_be_costs_itself_only(
    tmp_path: Path, build: Callable[[], None], query: Callable[..., list[dict[str, Any]]]
):
    (tmp_path / "list.csv").write_text(
        "\n".join([HEADER, BLAGNAC.replace("43.6", "4360"), FRANCAZAL.replace("1922-01-01", "19220-01-01"), ""])
    )
    (tmp_path / "hours.csv").write_text(
        "lat;lon;geo_id_insee;validity_time;t;tx;tn;u;dd;ff;ddraf;raf;rr1;pmer\n"
        "436;-1000;09289001;2026-11-20T04:00:00Z;281.15;;;;;;;;;\n"
    )
    assert ingest(["--file", str(tmp_path / "list.csv"), str(tmp_path / "hours.csv")]) == 0
    build()
    rows = query("select station_id, latitude, longitude, opened_date from marts.stations order by station_id")
    assert [tuple(row.values()) for row in rows] == [
        ("09289001", None, None, None),
        ("31069001", None, 1.378833, date(1947, 1, 1)),
        ("31157001", 43.545, 1.3675, None),
    ]
    assert [row["temperature_c"] for row in query("select temperature_c from marts.hourly_observations")] == [8.0]

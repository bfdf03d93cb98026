"""The list of stations as it changes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ingestion.__main__ import main as ingest

HEADER = "Id_station;Id_omm;Nom_usuel;Latitude;Longitude;Altitude;Date_ouverture;Pack"
BLAGNAC = "31069001;07630;TOULOUSE-BLAGNAC;43.621000;1.378833;151;1947-01-01;RADOME"
FRANCAZAL = "31157001;;TOULOUSE-FRANCAZAL;43.545000;1.367500;164;1922-01-01;ETENDU"


def test_a_station_that_leaves_the_list_is_unlisted_until_it_comes_back(
    tmp_path: Path, build: Callable[[], None], query: Callable[..., list[dict[str, Any]]]
):
    def stations(*listed: str) -> dict[str, Any]:
        file = tmp_path / "list.csv"
        file.write_text("\n".join([HEADER, *listed, ""]))
        assert ingest(["--file", str(file)]) == 0
        build()
        rows = query("select station_name, is_listed, unlisted_since from marts.stations")
        return {row["station_name"]: (row["is_listed"], row["unlisted_since"]) for row in rows}

    both = {"TOULOUSE-BLAGNAC": (True, None), "TOULOUSE-FRANCAZAL": (True, None)}
    assert stations(BLAGNAC, FRANCAZAL) == both
    left = stations(BLAGNAC)
    loads = query("select max(fetched_at) as at, max(rows_left) as rows_left from meta.loads")
    assert left == {"TOULOUSE-BLAGNAC": (True, None), "TOULOUSE-FRANCAZAL": (False, loads[0]["at"])}
    assert loads[0]["rows_left"] == 1
    assert stations(FRANCAZAL, BLAGNAC) == both

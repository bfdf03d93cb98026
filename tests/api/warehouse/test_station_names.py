"""Which stations are named to somebody who typed a name that no station bears."""

from datetime import UTC, datetime

import pytest

from api.warehouse.open.snapshot import KnownStation
from api.warehouse.question.stations import nearest_names

HOUR = datetime(2026, 11, 20, 6, tzinfo=UTC)
WITH_DATA = {"69029001", "59343001", "33281001", "13055001"}
STATIONS = [
    KnownStation(station_id, name, None, (HOUR, HOUR) if station_id in WITH_DATA else None)
    for station_id, name in (
        ("69299001", "LYON-ST EXUPERY"),
        ("69123002", "LYON TETE D'OR"),
        ("69029001", "LYON-BRON"),
        ("42059001", "CHAZELLES-LYON"),
        ("54322002", "LONGUYON"),
        ("85191003", "LA ROCHE SUR YON"),
        ("59343001", "LILLE-LESQUIN"),
        ("03097001", "DURDAT-LAREQUILLE"),
        ("03060001", "VICHY-CHARMEIL"),
        ("33063001", "BORDEAUX-PAULIN"),
        ("33281001", "BORDEAUX-MERIGNAC"),
        ("26064001", "BOURDEAUX"),
        ("13055001", "MARSEILLE-OBS"),
        ("42218001", "SAINT-ÉTIENNE"),
        ("09289001", None),
    )
]


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        # What begins with the word, with data first; then what holds the word.
        (
            "Lyon",
            ["LYON-BRON (69029001)", "LYON TETE D'OR (69123002)", "LYON-ST EXUPERY (69299001)",
             "CHAZELLES-LYON (42059001)"],
        ),
        ("Lille", ["LILLE-LESQUIN (59343001)"]),
        ("bordeaux", ["BORDEAUX-MERIGNAC (33281001)", "BORDEAUX-PAULIN (33063001)"]),
        ("Marseille", ["MARSEILLE-OBS (13055001)"]),
        ("st etienne", ["SAINT-ÉTIENNE (42218001)"]),
        ("Mérignac", ["BORDEAUX-MERIGNAC (33281001)"]),
        # Mistyped: one letter of a word.
        ("Marseile", ["MARSEILLE-OBS (13055001)"]),
        ("Bordaux", ["BORDEAUX-MERIGNAC (33281001)", "BORDEAUX-PAULIN (33063001)", "BOURDEAUX (26064001)"]),
        ("9289001", ["09289001"]),  # a spreadsheet dropped the zero
        ("Xyzzy", []),
        ("--", []),
    ],
)  # fmt: skip
def test_the_stations_meant_are_named(typed, named):
    assert nearest_names(typed, STATIONS)[: len(named) or None] == named

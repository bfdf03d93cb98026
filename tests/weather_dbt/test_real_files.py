"""Météo-France's own files through ingestion and dbt, against values computed here from the files."""

import csv
import json
from decimal import Decimal

import pytest

from ingestion.__main__ import main as ingest
from ingestion.settings import get_settings

DEPT_76 = "paquet-horaire_dept76_v1_2024-10-17T14Z.json"
FRANCE = "paquet-stations-horaire_v1_2024-10-17T14Z.json"
DEPT_33 = "paquet-horaire_dept33_v2_2026-07-18_2rows.csv"
LIST = "liste-stations.csv"


def minus(kelvin):
    return kelvin - Decimal("273.15")


def as_is(value):
    return value


def times(factor):
    return lambda value: value * Decimal(factor)


# mart column: upstream's column and the plain arithmetic between them
PLAIN = {
    "temperature_c": ("t", minus),
    "temperature_max_c": ("tx", minus),
    "temperature_min_c": ("tn", minus),
    "dew_point_c": ("td", minus),
    "soil_temperature_10cm_c": ("t_10", minus),
    "soil_temperature_20cm_c": ("t_20", minus),
    "soil_temperature_50cm_c": ("t_50", minus),
    "soil_temperature_100cm_c": ("t_100", minus),
    "pressure_hpa": ("pres", times("0.01")),
    "sea_level_pressure_hpa": ("pmer", times("0.01")),
    "humidity_pct": ("u", as_is),
    "humidity_max_pct": ("ux", as_is),
    "humidity_min_pct": ("un", as_is),
    "wind_speed_ms": ("ff", as_is),
    "wind_speed_kmh": ("ff", times("3.6")),
    "max_mean_wind_ms": ("fxy", as_is),
    "snow_depth_cm": ("sss", times("100")),
    "visibility_m": ("vv", as_is),
    "ground_state_code": ("etat_sol", as_is),
    "sunshine_min": ("insolh", as_is),
    "radiation_j_m2": ("ray_glo01", as_is),
}


def read_json(file):
    return json.loads(file.read_text(encoding="utf-8"), parse_float=Decimal, parse_int=Decimal)


def read_csv(file):
    texts = {"lat", "lon", "geo_id_insee", "reference_time", "insert_time", "validity_time"}
    with file.open(encoding="utf-8") as lines:
        return [
            {name: value if name in texts else Decimal(value) if value else None for name, value in row.items()}
            for row in csv.DictReader(lines, delimiter=";")
        ]


def key_of(row):
    return row["geo_id_insee"], row["validity_time"]


def direction(row, column, speed):
    value = row.get(column)
    return None if not value or row.get(speed) == 0 else float(value)


@pytest.fixture
def real_rows(real_file):
    """Every row of the three packets by station and hour; the packet loaded last has the last word."""
    packets = [read_json(real_file(DEPT_76)), read_json(real_file(FRANCE)), read_csv(real_file(DEPT_33))]
    assert [len(packet) for packet in packets] == [450, 2033, 2]
    assert sum(row["rr1"] == Decimal("-0.1") for row in packets[0]) == 11
    return {key_of(row): row for packet in packets for row in packet}


@pytest.fixture
def hours(real_file, build, query):
    """The mart's rows, once all four files went through `python -m ingestion --file` and dbt."""
    files = [str(real_file(name)) for name in (LIST, DEPT_76, FRANCE, DEPT_33)]
    assert ingest(["--file", *files]) == 0
    build()
    rows = query(
        "select *, strftime(observed_at, '%Y-%m-%dT%H:%M:%SZ') as validity_time from marts.hourly_observations"
    )
    found = {(row["station_id"], row["validity_time"]): row for row in rows}
    assert len(found) == len(rows)
    return found


def test_every_row_is_in_the_marts_with_the_values_of_the_files(real_rows, hours, query, paths):
    assert hours.keys() == real_rows.keys()
    assert len(hours) == 450 + 2033 + 2 - 18
    wrong = []
    for key, row in real_rows.items():
        found = hours[key]
        expected = {
            column: None if row[name] is None else float(convert(row[name]))
            for column, (name, convert) in PLAIN.items()
        }
        rain = row["rr1"]
        is_v2 = "raf" in row
        gust = row["raf"] if is_v2 else row["fxi"]
        expected |= {
            "precipitation_mm": None if rain is None else max(float(rain), 0.0),
            "is_trace": None if rain is None else rain == Decimal("-0.1"),
            "wind_direction_deg": direction(row, "dd", "ff"),
            "max_mean_wind_direction_deg": direction(row, "dxy", "fxy"),
            "gust_ms": None if gust is None else float(gust),
            "gust_direction_deg": direction(row, "ddraf", "raf") if is_v2 else direction(row, "dxi", "fxi"),
            "gust_kind": None if gust is None else "3s" if is_v2 else "instantaneous",
            "cloud_cover_octas": None if row["n"] is None or row["n"] == 9 else int(row["n"]),
            "is_sky_obscured": None if row["n"] is None else row["n"] == 9,
            "department_code": key[0][:3] if key[0][:2] in ("97", "98") else key[0][:2].lstrip("0"),
            "revised_at": found["revised_at"],
        }
        wrong += [(key, name, found[name], value) for name, value in expected.items() if found[name] != value]
    assert wrong == []
    for name in (*PLAIN, "precipitation_mm", "gust_ms", "wind_direction_deg"):
        assert sum(row[name] is not None for row in hours.values()) > 2, name

    traces = [row for row in hours.values() if row["is_trace"]]
    assert {row["precipitation_mm"] for row in traces} == {0.0}
    in_files = {key for key, row in real_rows.items() if row["rr1"] == Decimal("-0.1")}
    assert len(in_files) == len(traces)
    assert sum(key[0].startswith("76") for key in in_files) >= 11

    stations = query("select * from marts.stations")
    assert sum(row["is_listed"] for row in stations) == 2119
    silent = [row for row in stations if row["is_listed"] and row["observed_hours"] == 0]
    assert len(silent) == 2119 - len(
        {row["station_id"] for row in stations if row["is_listed"]} & {k[0] for k in hours}
    )
    assert sum(row["observed_hours"] for row in stations) == len(hours)
    newest = dict(sorted(hours))  # of each station's hours the last one stays
    latest = query(
        "select station_id, strftime(observed_at, '%Y-%m-%dT%H:%M:%SZ') as hour from marts.latest_observations"
    )
    assert {row["station_id"]: row["hour"] for row in latest} == newest
    loads = query(
        "select api_version, rows_seen, rows_new, rows_changed, rows_unchanged, rows_rejected, source"
        " from meta.loads where dataset <> 'liste-stations' order by load_id"
    )
    assert [(load["api_version"], load["rows_seen"], load["rows_new"]) for load in loads] == [
        ("v1", 450, 450),
        ("v1", 2033, 2015),
        ("v2", 2, 2),
    ]
    assert {load["source"] for load in loads} == {"meteofrance"}
    assert {load["rows_rejected"] for load in loads} == {0}
    assert get_settings().data_dir == paths.root

"""What upstream's codes and units become in the marts, by hand."""

import pytest

from ingestion.__main__ import main as ingest

HEADER = (
    "lat;lon;geo_id_insee;reference_time;insert_time;validity_time;t;td;tx;tn;u;ux;un;dd;ff;dxy;fxy;{gust};"
    "rr1;t_10;t_20;t_50;t_100;vv;etat_sol;sss;n;insolh;ray_glo01;pres;pmer"
)
V1, V2 = HEADER.format(gust="dxi;fxi"), HEADER.format(gust="ddraf;raf")


def packet(header, *rows):
    names = header.split(";")
    texts = [header]
    for station, values in rows:
        row = {"geo_id_insee": station, "validity_time": "2026-11-20T04:00:00Z", "lat": "43", "lon": "1.5", **values}
        texts.append(";".join(row.get(name, "") for name in names))
    return "\n".join(texts) + "\n"


V2_ROWS = {
    "09000001": {"t": "273.15", "tx": "274.25", "tn": "272", "td": "271.05", "pres": "96000", "pmer": "101325"},
    "09000002": {"rr1": "-0.1", "sss": "0.125", "n": "9", "dd": "0", "ff": "0", "raf": "0.0", "ddraf": "0"},
    "09000003": {"rr1": "0.0", "n": "8", "dd": "360", "ff": "10.8", "raf": "15.1", "ddraf": "350", "u": "80.0"},
    "09000004": {"t": "abc", "rr1": "12,5", "u": "NaN", "ff": "1e308", "pmer": "", "dd": "180"},
    "09000005": {"t": "999.9", "u": "180", "rr1": "-5", "pmer": "1", "sss": "-1", "dd": "400", "ff": "3"},
    "97100006": {"t": "300.15", "insolh": "60", "ray_glo01": "3000000", "vv": "20000", "etat_sol": "1"},
    "20000007": {"dd": "90", "ff": "", "raf": ""},
}
V1_ROWS = {"09000008": {"fxi": "15.1", "dxi": "350"}, "09000003": {"fxi": "16.2", "dxi": "340", **V2_ROWS["09000003"]}}


@pytest.fixture
def marts(tmp_path, build, query):
    for name, header, rows in (("v1.csv", V1, V1_ROWS), ("v2.csv", V2, V2_ROWS)):
        (tmp_path / name).write_text(packet(header, *rows.items()))
    assert ingest(["--file", str(tmp_path / "v1.csv"), str(tmp_path / "v2.csv")]) == 0
    build()
    return {row["station_id"]: row for row in query("select * from marts.hourly_observations")}


def test_units_and_codes_become_what_people_use_and_unreadable_values_null(marts, query):
    def is_so(station, **expected):
        found = {name: marts[station][name] for name in expected}
        assert found == expected, station

    is_so("09000001", temperature_c=0.0, temperature_max_c=1.1, temperature_min_c=-1.15, dew_point_c=-2.1)
    is_so("09000001", pressure_hpa=960.0, sea_level_pressure_hpa=1013.25, precipitation_mm=None, is_trace=None)
    is_so("09000002", precipitation_mm=0.0, is_trace=True, snow_depth_cm=12.5)
    is_so("09000002", cloud_cover_octas=None, is_sky_obscured=True)
    is_so("09000002", wind_speed_ms=0.0, wind_speed_kmh=0.0, wind_direction_deg=None, wind_sector=None, beaufort=0)
    is_so("09000002", gust_ms=0.0, gust_direction_deg=None, gust_kind="3s")
    is_so("09000003", precipitation_mm=0.0, is_trace=False, cloud_cover_octas=8, is_sky_obscured=False)
    is_so("09000003", wind_direction_deg=360.0, wind_sector="N", wind_speed_kmh=38.88, beaufort=6, humidity_pct=80.0)
    # Both gusts are known: the 3-second one is shown, with its own direction and kind.
    is_so("09000003", gust_ms=15.1, gust_direction_deg=350.0, gust_kind="3s")
    is_so("09000008", gust_ms=15.1, gust_direction_deg=350.0, gust_kind="instantaneous")
    is_so("09000004", temperature_c=None, precipitation_mm=None, humidity_pct=None, wind_speed_ms=None)
    is_so("09000004", sea_level_pressure_hpa=None, is_trace=None, gust_kind=None)
    is_so("09000005", temperature_c=None, humidity_pct=None, precipitation_mm=None, sea_level_pressure_hpa=None)
    is_so("09000005", snow_depth_cm=None, wind_direction_deg=None, wind_speed_ms=3.0)
    is_so("97100006", department_code="971", sunshine_min=60.0, radiation_j_m2=3e6, visibility_m=20000.0)
    is_so("97100006", ground_state_code=1, station_name=None)
    is_so("20000007", department_code="20", wind_direction_deg=90.0, wind_sector="E", wind_speed_ms=None, gust_ms=None)

    assert len(query("select * from marts.latest_observations")) == len(marts) == 8
    stations = {row["station_id"]: row for row in query("select * from marts.stations")}
    assert (stations["97100006"]["department_name"], stations["97100006"]["is_listed"]) == ("Guadeloupe", False)
    assert (stations["09000001"]["latitude"], stations["09000001"]["longitude"]) == (43.0, 1.5)

from collections import Counter

from ingestion.demo.stations import DEMO_STATIONS, DEPARTMENTS

OVERSEAS = {"971", "972", "973", "974", "975", "984", "985", "986", "987", "988"}


def test_every_department_has_at_least_three_stations():
    stations_by_department = Counter(station.department for station in DEMO_STATIONS)
    assert set(stations_by_department) == {str(code) for code in range(1, 96)} | OVERSEAS == DEPARTMENTS
    assert min(stations_by_department.values()) >= 3
    assert 1_950 < len(DEMO_STATIONS) < 2_120


def test_ids_are_unique_and_names_are_upper_case_ascii():
    assert len({station.station_id for station in DEMO_STATIONS}) == len(DEMO_STATIONS)
    assert all(len(station.station_id) == 8 and station.station_id.isdecimal() for station in DEMO_STATIONS)
    assert all(station.name.isascii() and station.name == station.name.upper() for station in DEMO_STATIONS)


def test_stations_lie_where_they_can():
    for station in DEMO_STATIONS:
        assert 0 <= station.altitude <= 3_000, station
        if station.department not in OVERSEAS:
            assert 41 < station.latitude < 51.5, station
            assert -5.5 < station.longitude < 9.8, station


def test_ariege_has_its_fourteen_real_stations():
    ariege = {station.name: station for station in DEMO_STATIONS if station.department == "9"}
    assert len(ariege) == 14
    assert ariege["ST GIRONS"].station_id == "09289001"
    assert ariege["PORT D'AULA-NIVOSE"].altitude == 2140


def test_only_some_stations_have_a_wmo_number_and_a_third_is_radome():
    assert 0.08 < sum(station.wmo_id is not None for station in DEMO_STATIONS) / len(DEMO_STATIONS) < 0.2
    assert 0.25 < sum(station.pack == "RADOME" for station in DEMO_STATIONS) / len(DEMO_STATIONS) < 0.42

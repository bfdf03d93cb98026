"""What a packet says as a whole is compared with what was asked, with what can be, and with what is known."""

from datetime import timedelta

import pytest

from ingestion.errors import CorrectionHeld, NotWhatWasAsked, ValuesImplausible
from ingestion.load_log import last_load
from ingestion.raw_store import open_build_file

HOURS = [f"2026-11-23T{hour:02}:00:00Z" for hour in range(5)]
SEVEN = [f"0928900{number}" for number in range(1, 8)]  # seven stations and five hours: 35 rows


@pytest.fixture
def packet(row):
    """Give the rows of seven stations over five hours; `change` says what is different about a row."""

    def rows(change=lambda place: {}, stations=SEVEN):
        places = [(station, hour) for station in stations for hour in HOURS]
        return [
            row(station, hour, **{"t": str(280 + place / 10), "u": "80"} | change(place))
            for place, (station, hour) in enumerate(places)
        ]

    return rows


def later(warehouse, minutes):
    warehouse.now += timedelta(minutes=minutes)


def test_another_departements_body_is_refused_and_changes_nothing(warehouse, packet):
    warehouse.load(*packet())
    before = warehouse.raw()
    with pytest.raises(NotWhatWasAsked, match=r"35 of its 35 rows are not what was asked for \(station 76116001"):
        warehouse.load(*packet(stations=[f"7611600{number}" for number in range(1, 8)]))
    assert warehouse.raw() == before
    assert warehouse.query("select status, rows_new from meta.loads order by load_id") == [
        ("loaded", 35),
        ("failed", 0),
    ]


def test_a_few_stations_from_beyond_the_border_are_kept(warehouse, packet):
    result = warehouse.load(*packet(stations=[*SEVEN[:5], "31069001", "65059001"]))
    assert result.counts.new == 35
    assert result.remarks == ("10 of 35 rows are not what was asked for (station 31069001)",)


def test_far_fewer_or_far_more_stations_than_known_are_told(warehouse, packet):
    assert warehouse.load(*packet()).remarks == ()
    assert warehouse.load(*packet(stations=SEVEN[:4])).remarks == ()
    assert warehouse.load(*packet(stations=SEVEN[:3])).remarks == ("3 stations where 7 are known in these hours",)
    many = [f"09{number:06}" for number in range(15)]
    assert warehouse.load(*packet(stations=many)).remarks == ("15 stations where 7 are known in these hours",)


def test_another_hour_than_the_one_asked_for_is_refused(warehouse, packet, as_csv):
    asked = {"dataset": "paquet-stations-horaire", "scope": "20261123T07Z"}
    with pytest.raises(NotWhatWasAsked, match="the oldest hour is 2026-11-23 00 UTC"):
        warehouse.load_body(as_csv(packet()), **asked)


def test_a_file_given_by_hand_was_asked_for_as_it_is(warehouse, packet, as_csv):
    assert warehouse.load_body(as_csv(packet(stations=["76116001"])), scope="file").counts.new == 5


@pytest.mark.parametrize("year", ["0001", "1970", "1989"])
def test_an_hour_that_no_station_can_have_sent_is_rejected(warehouse, row, year):
    result = warehouse.load(row(), row(hour=f"{year}-01-01T04:00:00Z"))
    assert (result.counts.new, result.counts.rejected) == (1, 1)
    assert warehouse.rejected() == [(2, "validity_time is before 1990, when no such station reported")]


# --- values that cannot be


def test_numbers_with_decimal_commas_are_refused(warehouse, packet):
    with pytest.raises(ValuesImplausible, match=r"35 of 35 temperatures are no numbers \(decimal commas\?\)"):
        warehouse.load(*packet(lambda _: {"t": "281,15"}))
    assert warehouse.query("select count(*) from raw.observations") == [0]


def test_temperatures_in_celsius_are_refused(warehouse, packet):
    with pytest.raises(ValuesImplausible, match=r"35 of 35 temperatures are impossible \(degrees Celsius in place of"):
        warehouse.load(*packet(lambda _: {"t": "8.15"}))


def test_pressures_in_hectopascal_are_refused(warehouse, packet):
    with pytest.raises(ValuesImplausible, match=r"35 of 35 pressures are impossible \(hectopascal"):
        warehouse.load(*packet(lambda _: {"pmer": "1013.2"}))


def test_a_few_unreadable_values_are_loaded_and_told(warehouse, row):
    result = warehouse.load(*(row(hour=hour, t="281,15", rr1="0,2") for hour in HOURS[:3]))
    assert result.counts.new == 3
    assert "3 of 3 temperatures are no numbers (decimal commas?)" in str(result)


def test_one_broken_thermometer_costs_nobody_a_packet(warehouse, packet):
    result = warehouse.load(*packet(lambda place: {"t": "8.15"} if place < 5 else {}))
    assert (result.counts.new, result.remarks) == (35, ())


# --- corrections of nearly everything


def test_a_packet_that_empties_what_is_known_is_held_until_it_comes_again_later(warehouse, packet):
    warehouse.load(*packet())
    before = warehouse.raw()
    with pytest.raises(CorrectionHeld, match="erase 35 of 35 known values of t and as much of 1 more columns"):
        warehouse.load(*packet(lambda _: {"t": "", "u": ""}))
    with pytest.raises(CorrectionHeld):  # again, but two minutes later
        warehouse.load(*packet(lambda _: {"t": "", "u": ""}))
    assert warehouse.raw() == before
    later(warehouse, 30)
    assert warehouse.load(*packet(lambda _: {"t": "", "u": ""})).counts.changed == 35
    assert warehouse.query("select status from meta.loads order by load_id") == ["loaded", "held", "held", "loaded"]


def test_what_is_held_is_forgotten_when_upstream_is_well_again(warehouse, packet):
    warehouse.load(*packet())
    with pytest.raises(CorrectionHeld):
        warehouse.load(*packet(lambda _: {"t": ""}))
    later(warehouse, 60)
    assert warehouse.load(*packet()).counts.unchanged == 35
    later(warehouse, 60)
    with pytest.raises(CorrectionHeld):
        warehouse.load(*packet(lambda _: {"t": ""}))


def test_another_upheaval_is_no_repetition(warehouse, packet):
    warehouse.load(*packet())
    before = warehouse.raw()
    for change in ({"t": "", "u": ""}, {"t": "270.15"}, {"t": "", "u": ""}):
        with pytest.raises(CorrectionHeld):
            warehouse.load(*packet(lambda _, change=change: change))
        later(warehouse, 60)
    assert warehouse.raw() == before
    assert warehouse.load(*packet(lambda _: {"t": "", "u": ""})).counts.changed == 35


def test_a_packet_that_comes_back_after_the_held_one_is_landed_for_a_rebuild_to_see(warehouse, packet, as_csv):
    warehouse.load(*packet())
    with open_build_file(warehouse.paths, "demo") as connection:
        assert last_load(connection, "paquet-horaire", "9") is not None
    with pytest.raises(CorrectionHeld):
        warehouse.load(*packet(lambda _: {"t": ""}))
    with open_build_file(warehouse.paths, "demo") as connection:
        assert last_load(connection, "paquet-horaire", "9") is None
    warehouse.load(*packet())
    with open_build_file(warehouse.paths, "demo") as connection:
        assert last_load(connection, "paquet-horaire", "9") is not None


def test_values_that_were_missing_may_all_come_at_once(warehouse, packet):
    both = [*SEVEN, *[f"0922500{number}" for number in range(1, 8)]]  # 70 rows, of which 32 have a wind
    warehouse.load(*packet(lambda place: {"ff": "3"} if place < 32 else {}, both))
    assert warehouse.load(*packet(lambda _: {"ff": "3"}, both)).counts.changed == 38


def test_values_shifted_all_at_once_are_held(warehouse, packet):
    warehouse.load(*packet())
    with pytest.raises(CorrectionHeld, match="change 35 of 35 known values of t"):
        warehouse.load(*packet(lambda place: {"t": str(290 + place / 10)}))


def test_a_correction_of_some_rows_is_believed_at_once(warehouse, packet):
    warehouse.load(*packet())
    assert warehouse.load(*packet(lambda place: {"t": ""} if place < 17 else {})).counts.changed == 17


def test_a_correction_loaded_as_a_file_is_believed(warehouse, packet, as_csv):
    warehouse.load(*packet())
    assert warehouse.load_body(as_csv(packet(lambda _: {"t": "275.15"})), scope="file").counts.changed == 35


def test_an_older_capture_of_everything_is_no_correction(warehouse, packet):
    warehouse.load(*packet(lambda _: {"reference_time": "2026-11-23T05:00:00Z"}))
    older = warehouse.load(*packet(lambda _: {"t": "270.15", "reference_time": "2026-11-23T04:50:00Z"}))
    assert (older.counts.changed, older.counts.older) == (0, 35)


def test_a_list_that_was_cut_is_held(warehouse, as_csv):
    stations = [{"Id_station": f"09{number:06}", "Nom_usuel": f"POST {number}"} for number in range(100)]
    asked = {"dataset": "liste-stations", "scope": "all"}
    columns = ("Id_station", "Id_omm", "Nom_usuel", "Latitude", "Longitude", "Altitude", "Date_ouverture", "Pack")
    warehouse.load_body(as_csv(stations, columns), **asked)
    with pytest.raises(CorrectionHeld, match="drop 60 of 100 listed rows"):
        warehouse.load_body(as_csv(stations[:40], columns), **asked)
    with pytest.raises(CorrectionHeld):  # a part of the list, given by hand
        warehouse.load_body(as_csv(stations[:40], columns), dataset="liste-stations", scope="file")
    assert warehouse.query("select count(*) from raw.stations") == [100]
    later(warehouse, 60)
    with pytest.raises(CorrectionHeld):  # cut again, elsewhere
        warehouse.load_body(as_csv(stations[60:], columns), **asked)
    assert warehouse.load_body(as_csv(stations[:90], columns), **asked).counts.left == 10


def test_a_list_cut_twice_in_the_same_way_is_believed(warehouse, as_csv):
    stations = [{"Id_station": f"09{number:06}", "Nom_usuel": f"POST {number}"} for number in range(100)]
    asked = {"dataset": "liste-stations", "scope": "all"}
    columns = ("Id_station", "Id_omm", "Nom_usuel", "Latitude", "Longitude", "Altitude", "Date_ouverture", "Pack")
    warehouse.load_body(as_csv(stations, columns), **asked)
    with pytest.raises(CorrectionHeld):
        warehouse.load_body(as_csv(stations[:40], columns), **asked)
    later(warehouse, 30)
    assert warehouse.load_body(as_csv(stations[:41], columns), **asked).counts.left == 59


def test_a_station_on_a_malformed_line_has_not_left_the_list(warehouse, as_csv):
    stations = [{"Id_station": f"09{number:06}", "Nom_usuel": f"POST {number}"} for number in range(3)]
    asked = {"dataset": "liste-stations", "scope": "all"}
    columns = ("Id_station", "Id_omm", "Nom_usuel", "Latitude", "Longitude", "Altitude", "Date_ouverture", "Pack")
    body = as_csv(stations, columns)
    warehouse.load_body(body, **asked)
    result = warehouse.load_body(body.replace(b"POST 1", b"POST;1"), **asked)
    assert (result.counts.left, result.counts.rejected, result.counts.unchanged) == (0, 1, 2)

import json
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from ingestion.demo.packet import PACKET_COLUMNS, PacketRequest, render_packet
from ingestion.demo.weather import load_stations

HOUR = datetime(2026, 11, 20, 6, tzinfo=UTC)
STAMPS = ("insert_time", "reference_time")


def stamp(text):
    return datetime.fromisoformat(text)


def values(row):
    return {column: value for column, value in row.items() if column not in STAMPS}


@pytest.fixture(scope="module")
def arrivals():
    """Hours of all France as seen one hour later, and once everything has arrived."""
    con = duckdb.connect()
    load_stations(con)

    def seen(delay):
        rows = {}
        for number in range(0, 96, 8):
            hour = HOUR + timedelta(hours=number)
            asked = PacketRequest(hour, hour + timedelta(hours=1), hour + delay)
            for row in json.loads(render_packet(con, asked, "json")):
                rows.setdefault((row["geo_id_insee"], row["validity_time"]), []).append(row)
        return rows

    return seen(timedelta(minutes=60)), seen(timedelta(hours=48))


def test_the_same_question_has_the_same_answer(make_demo):
    assert make_demo().department().content == make_demo().department().content


def test_a_row_is_the_same_by_department_and_by_hour_but_for_its_stamps(demo, read_csv):
    by_department = {(row["geo_id_insee"], row["validity_time"]): row for row in read_csv(demo.department())}
    hour = demo.now.replace(minute=0) - timedelta(hours=3)
    by_hour = [row for row in read_csv(demo.nation(hour)) if row["geo_id_insee"].startswith("09")]
    assert len(by_hour) >= 12
    twins = [(row, by_department[row["geo_id_insee"], row["validity_time"]]) for row in by_hour]
    assert all(values(row) == values(twin) for row, twin in twins)
    assert any(row["insert_time"] != twin["insert_time"] for row, twin in twins)


def test_a_department_has_five_days_newest_first_within_a_station(demo, read_csv):
    rows = read_csv(demo.department())
    order = [(row["geo_id_insee"], row["validity_time"]) for row in rows]
    stations = [station for station, _ in order]
    assert stations == sorted(stations)
    for station in set(stations):
        hours = [hour for each, hour in order if each == station]
        assert hours == sorted(hours, reverse=True)
    assert 1_300 < len(rows) <= 14 * 120 + 10
    assert min(hour for _, hour in order) == "2026-11-18T06:00:00Z"


def test_retention_can_be_shorter(make_demo, read_csv):
    assert len({row["validity_time"] for row in read_csv(make_demo(retention_hours=24).department())}) == 24


def test_formats_have_the_same_rows_in_the_same_fields(demo, read_csv):
    rows = read_csv(demo.department())
    objects = demo.department(packet_format="json").json()
    features = demo.department(packet_format="geojson").json()
    assert tuple(rows[0]) == tuple(objects[0]) == PACKET_COLUMNS
    assert [{key: "" if value is None else str(value) for key, value in each.items()} for each in objects] == rows
    assert features["type"] == "FeatureCollection"
    flat = [
        {"lat": each["geometry"]["coordinates"][1], "lon": each["geometry"]["coordinates"][0]} | each["properties"]
        for each in features["features"]
    ]
    assert flat == objects


def test_whole_numbers_arrive_as_floats(demo, read_csv):
    humidities = [row["u"] for row in read_csv(demo.department()) if row["u"]]
    assert humidities
    assert all(humidity.endswith(".0") for humidity in humidities)


def test_an_hour_is_served_ten_minutes_after_it(demo, read_csv):
    demo.now = HOUR + timedelta(minutes=9, seconds=59)
    assert read_csv(demo.nation(HOUR)) == []
    demo.now = HOUR + timedelta(minutes=10)
    rows = read_csv(demo.nation(HOUR))
    assert len(rows) > 1_700
    assert all(stamp(row["insert_time"]) <= demo.now for row in rows)


def test_nothing_is_served_before_it_was_inserted(demo, read_csv):
    assert all(stamp(row["insert_time"]) <= demo.now for row in read_csv(demo.department()))


def test_most_rows_are_on_time_and_a_few_are_very_late(arrivals):
    after_an_hour, at_last = arrivals
    delays = sorted(
        (stamp(rows[0]["insert_time"]) - stamp(rows[0]["validity_time"])).total_seconds() / 60
        for rows in at_last.values()
    )
    late = 1 - len(after_an_hour) / len(at_last)
    assert 0.025 < late < 0.055
    assert 3 < delays[len(delays) // 2] < 5
    assert 6 < delays[int(len(delays) * 0.95)] < 30
    assert 120 < delays[int(len(delays) * 0.99)] < 250
    assert 600 < delays[-1] <= 36 * 60
    assert -20 < delays[0] < 0


def test_late_rows_are_added_and_none_disappears(arrivals):
    after_an_hour, at_last = arrivals
    assert set(after_an_hour) < set(at_last)


def test_a_station_sends_several_late_hours_at_once(demo, read_csv):
    demo.now = HOUR + timedelta(hours=60)
    together = {}
    for row in read_csv(demo.department("73")):
        delay = stamp(row["insert_time"]) - stamp(row["validity_time"])
        if delay > timedelta(hours=1):
            published = (row["geo_id_insee"], stamp(row["insert_time"]).replace(minute=0, second=0))
            together.setdefault(published, []).append(row["validity_time"])
    assert max(map(len, together.values())) >= 4


def test_some_values_are_corrected_later(arrivals):
    after_an_hour, at_last = arrivals
    changed = [key for key, rows in after_an_hour.items() if values(rows[0]) != values(at_last[key][0])]
    assert 0.004 < len(changed) / len(after_an_hour) < 0.015
    stamps = {(after_an_hour[key][0]["insert_time"], at_last[key][0]["insert_time"]) for key in changed}
    assert all(before == after for before, after in stamps)


def test_a_few_rows_are_sent_twice(arrivals):
    _, at_last = arrivals
    twice = [rows for rows in at_last.values() if len(rows) > 1]
    assert 0 < len(twice) / len(at_last) < 0.004
    assert all(rows[0] == rows[1] for rows in twice)


def test_some_stations_are_silent_and_come_back(demo, read_csv):
    def heard(days):
        demo.now = HOUR + timedelta(days=days, hours=40)
        return {row["geo_id_insee"] for row in read_csv(demo.nation(HOUR + timedelta(days=days)))}

    listed = {row["Id_station"] for row in read_csv(demo.get("/v2/liste-stations"))}
    silent, silent_later = listed - heard(0), listed - heard(21)
    assert 0.02 < len(silent) / len(listed) < 0.06
    assert len(silent & silent_later) < len(silent) / 2

"""What becomes of rows that come again, changed, contradicted or unusable."""

import itertools
from datetime import UTC, datetime

import pytest

from ingestion.errors import HeaderChanged, PayloadNotRecognized, PayloadTruncated
from ingestion.meteofrance.schema import V1_COLUMNS, V2_COLUMNS

STATIONS = ("Id_station", "Id_omm", "Nom_usuel", "Latitude", "Longitude", "Altitude", "Date_ouverture", "Pack")


def counts(result):
    c = result.counts
    assert result.rows_seen == c.new + c.changed + c.unchanged + c.rejected
    return c.new, c.changed, c.unchanged, c.rejected


# --- the same again


def test_identical_values_fetched_again_change_nothing(warehouse, row):
    assert counts(warehouse.load(row(), row("09225001"))) == (2, 0, 0, 0)
    before = warehouse.raw()
    again = warehouse.load(row(), row("09225001"))
    assert counts(again) == (0, 0, 2, 0)
    assert not again.brought_news
    assert warehouse.raw() == before


@pytest.mark.parametrize(("first", "second"), [("80", "80.0"), ("80.0", "80"), ("8e1", "80.00"), ("x", "x"), ("", "")])
def test_another_spelling_of_the_same_number_is_no_change(warehouse, row, first, second):
    warehouse.load(row(u=first))
    assert counts(warehouse.load(row(u=second))) == (0, 0, 1, 0)
    assert warehouse.versions("version, u") == [(1, first or None)]


def test_technical_stamps_alone_mark_no_revision(warehouse, row):
    warehouse.load(row(insert_time="2026-11-23T04:10:00Z"))
    before = warehouse.raw()
    assert counts(warehouse.load(row(insert_time="2026-11-23T05:10:00Z"))) == (0, 0, 1, 0)
    assert warehouse.raw() == before
    assert counts(warehouse.load(row(reference_time="2026-11-23T05:10:00Z"))) == (0, 0, 1, 0)
    assert warehouse.versions("version, load_id") == [(1, 1)]


CAPTURES = {  # when upstream wrote the row: what it said
    "2026-11-23T04:10:00Z": {"t": "281.15", "u": "80"},
    "2026-11-23T04:40:00Z": {"t": "291.15", "u": "81"},
    "2026-11-23T05:10:00Z": {"t": "281.15", "u": "80"},  # the first word again: the second was wrong
}


@pytest.mark.parametrize(
    "order", list(itertools.permutations(CAPTURES)), ids=lambda order: " ".join(t[11:16] for t in order)
)
def test_captures_in_any_order_end_in_the_latest_ones_values(warehouse, row, order):
    for written in (*order, order[0]):
        warehouse.load(row(reference_time=written, **CAPTURES[written]))
    assert warehouse.versions("t, u, reference_time")[-1] == ("281.15", "80", "2026-11-23T05:10:00Z")


@pytest.mark.parametrize("second", ["2026-11-23T04:10:00Z", "", "soon", "9999-11-23T04:10:00Z"])
def test_at_the_same_or_an_impossible_time_the_newer_load_counts(warehouse, row, second):
    warehouse.load(row(t="281.15", reference_time="2026-11-23T04:10:00Z"))
    assert counts(warehouse.load(row(t="282.15", reference_time=second))) == (0, 1, 0, 0)
    assert counts(warehouse.load(row(t="283.15", reference_time="2026-11-23T04:10:00Z"))) == (0, 1, 0, 0)


def test_an_older_capture_says_that_it_changes_nothing(warehouse, row):
    warehouse.load(row(t="281.15", reference_time="2026-11-23T05:10:00Z"))
    older = warehouse.load(row(t="250.15", reference_time="2026-11-23T04:10:00Z"), row("09225001"))
    assert counts(older) == (1, 0, 1, 0)
    assert str(older).endswith("1 rows are older than what is known and change nothing")


@pytest.mark.parametrize("order", list(itertools.permutations(["v1", "v2"])), ids=" ".join)
def test_both_gusts_stay_in_either_order_of_the_versions(warehouse, row, order):
    captures = {
        "v1": ([row(t="281.15", fxi="14.2", dxi="270", reference_time="2026-11-23T04:10:00Z")], V1_COLUMNS),
        "v2": ([row(t="282.15", raf="12.1", ddraf="260", reference_time="2026-11-23T05:10:00Z")], V2_COLUMNS),
    }
    for version in (*order, order[0]):
        rows, columns = captures[version]
        warehouse.load(*rows, columns=columns)
    assert warehouse.versions("t, fxi, dxi, raf, ddraf")[-1] == ("282.15", "14.2", "270", "12.1", "260")


def test_an_hour_spelled_with_fractions_of_a_second_is_the_same_hour(warehouse, row):
    warehouse.load(row(hour="2026-11-23T04:00:00Z"))
    assert counts(warehouse.load(row(hour="2026-11-23T04:00:00.000Z"))) == (0, 0, 1, 0)


def test_an_hour_seen_before_it_was_over_is_measured_once_it_is_seen_again_afterwards(warehouse, row):
    early = row(hour="2026-11-23T06:00:00Z")
    warehouse.load(early)
    assert counts(warehouse.load(early)) == (0, 0, 1, 0)  # still to come
    warehouse.now = datetime(2026, 11, 23, 6, 10, tzinfo=UTC)
    assert counts(warehouse.load(early)) == (0, 1, 0, 0)
    assert counts(warehouse.load(early)) == (0, 0, 1, 0)
    assert warehouse.versions("version, t") == [(1, "281.15"), (2, "281.15")]


# --- corrections


def test_a_changed_value_is_a_new_version_and_the_old_one_is_kept(warehouse, row):
    warehouse.load(row(t="281.15"))
    first_seen = warehouse.now
    assert counts(warehouse.load(row(t="281.25"))) == (0, 1, 0, 0)
    assert warehouse.versions("version, t, first_seen_at, version_seen_at, load_id") == [
        (1, "281.15", first_seen, first_seen, 1),
        (2, "281.25", first_seen, warehouse.now, 2),
    ]


@pytest.mark.parametrize(("before", "after"), [("281.15", ""), ("", "281.15"), ("281.15", "abc"), ("abc", "abd")])
def test_a_value_that_comes_goes_or_breaks_is_a_change(warehouse, row, before, after):
    warehouse.load(row(t=before))
    assert counts(warehouse.load(row(t=after))) == (0, 1, 0, 0)
    assert warehouse.versions() == [(1, before or None), (2, after or None)]


def test_a_value_that_goes_back_is_a_third_version(warehouse, row):
    for t in ("281.15", "281.25", "281.15"):
        warehouse.load(row(t=t))
    assert warehouse.versions() == [(1, "281.15"), (2, "281.25"), (3, "281.15")]


def test_a_late_hour_is_new_though_later_hours_are_known(warehouse, row):
    warehouse.load(row(hour="2026-11-23T04:00:00Z"))
    late = row(hour="2026-11-22T01:00:00Z")
    assert counts(warehouse.load(late, row(hour="2026-11-23T04:00:00Z"))) == (1, 0, 1, 0)


# --- duplicates inside one payload


def test_an_identical_row_twice_in_a_payload_counts_once(warehouse, row):
    assert counts(warehouse.load(row(), row())) == (1, 0, 1, 0)
    assert warehouse.versions() == [(1, "281.15")]
    assert warehouse.rejected() == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_two_rows_that_contradict_the_later_insert_time_wins(warehouse, row, order):
    rows = [
        row(t="281.15", insert_time="2026-11-23T04:05:00Z"),
        row(t="290.15", insert_time="2026-11-23T04:09:00Z"),
    ]
    assert counts(warehouse.load(*[rows[i] for i in order])) == (1, 0, 0, 1)
    assert warehouse.versions() == [(1, "290.15")]
    [(position, reason)] = warehouse.rejected()
    assert position == order.index(0) + 1
    assert reason == "another row of the same payload has this key and is the later one"
    [text] = warehouse.query("select row_text from meta.rejected_rows")
    assert '"t":"281.15"' in text


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_two_rows_that_contradict_the_later_reference_time_wins(warehouse, row, order):
    rows = [
        row(t="281.15", reference_time="2026-11-23T04:10:00Z", insert_time="2026-11-23T04:09:00Z"),
        row(t="290.15", reference_time="2026-11-23T05:10:00Z", insert_time="2026-11-23T04:05:00Z"),
    ]
    assert counts(warehouse.load(*[rows[i] for i in order])) == (1, 0, 0, 1)
    assert warehouse.versions() == [(1, "290.15")]


def test_of_two_rows_that_contradict_with_one_insert_time_the_last_wins(warehouse, row):
    warehouse.load(row(t="281.15"), row(t="290.15"))
    assert warehouse.versions() == [(1, "290.15")]


def test_a_row_without_insert_time_gives_way_to_one_with(warehouse, row):
    warehouse.load(row(t="290.15", insert_time="2026-11-23T04:09:00Z"), row(t="281.15"))
    assert warehouse.versions() == [(1, "290.15")]


# --- rows that cannot be kept


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"station": "0928900"}, "geo_id_insee is not eight digits"),
        ({"station": "09289001 "}, "geo_id_insee is not eight digits"),
        ({"station": ""}, "geo_id_insee is not eight digits"),
        ({"hour": "yesterday"}, "validity_time is not a time with Z or an offset"),
        ({"hour": ""}, "validity_time is not a time with Z or an offset"),
        ({"hour": "2026-11-23T04:00:00+00:30"}, "validity_time is not a round hour"),
        ({"hour": "2026-02-30T04:00:00Z"}, "validity_time is not a time with Z or an offset"),
        ({"hour": "2026-11-23T04:06:00Z"}, "validity_time is not a round hour"),
        ({"hour": "2026-11-24T06:00:00Z"}, "its hour is more than a day after its fetch"),  # on the 23rd at 05:13
        ({"hour": "9999-12-31T23:00:00Z"}, "its hour is more than a day after its fetch"),
    ],
)
def test_a_row_that_cannot_be_keyed_is_set_aside_with_its_reason(warehouse, row, broken, reason):
    assert counts(warehouse.load(row("09225001"), row(**broken))) == (1, 0, 0, 1)
    assert warehouse.query("select geo_id_insee from raw.observations") == ["09225001"]
    assert warehouse.rejected() == [(2, reason)]


def test_a_clock_a_day_slow_costs_no_row(warehouse, row):
    assert counts(warehouse.load(row(hour="2026-11-24T05:00:00Z"))) == (1, 0, 0, 0)


def test_a_malformed_line_is_set_aside_and_the_others_are_loaded(warehouse, row, as_csv):
    lines = as_csv([row("09225001"), row(), row("09023001")]).splitlines()
    lines[2] = lines[2].rsplit(b";", 3)[0]
    assert counts(warehouse.load_body(b"\n".join(lines) + b"\n")) == (2, 0, 0, 1)
    assert warehouse.rejected() == [(2, "29 fields where the header has 32")]


def test_unreadable_values_are_kept_as_upstream_wrote_them(warehouse, row):
    values = {"t": "12,5", "ff": "NaN", "rr1": "1e308", "u": "abc"}
    assert counts(warehouse.load(row(**values))) == (1, 0, 0, 0)
    assert warehouse.versions("t, ff, rr1, u") == [("12,5", "NaN", "1e308", "abc")]


def test_an_empty_packet_loads_and_brings_nothing(warehouse, row):
    warehouse.load(row())
    before = warehouse.raw()
    assert counts(warehouse.load()) == (0, 0, 0, 0)
    assert counts(warehouse.load_body(b"[]", format="json")) == (0, 0, 0, 0)
    assert warehouse.raw() == before


# --- columns


def test_v1_after_v2_keeps_both_gusts(warehouse, row):
    warehouse.load(row(raf="12.1", ddraf="270"))
    assert counts(warehouse.load(row(fxi="13.4", dxi="280"), columns=V1_COLUMNS)) == (0, 1, 0, 0)
    assert warehouse.versions("version, raf, ddraf, fxi, dxi") == [
        (1, "12.1", "270", None, None),
        (2, "12.1", "270", "13.4", "280"),
    ]


def test_v2_after_v1_keeps_both_gusts(warehouse, row):
    warehouse.load(row(fxi="13.4", dxi="280"), columns=V1_COLUMNS)
    assert counts(warehouse.load(row(raf="12.1", ddraf="270"))) == (0, 1, 0, 0)
    assert warehouse.versions("version, raf, ddraf, fxi, dxi")[-1] == (2, "12.1", "270", "13.4", "280")


def test_the_other_version_without_gusts_is_no_change(warehouse, row):
    warehouse.load(row(fxi="13.4", dxi="280"), columns=V1_COLUMNS)
    assert counts(warehouse.load(row())) == (0, 0, 1, 0)


def test_unknown_columns_are_kept_aside(warehouse, row):
    result = warehouse.load(row(qualite="1"), row("09225001"), columns=(*V2_COLUMNS, "qualite"))
    assert result.extra_columns == ("qualite",)
    assert "unknown columns kept in `extra`: qualite" in str(result)
    assert warehouse.versions("extra") == [None, '{"qualite": "1"}']
    assert warehouse.query("select extra_columns from meta.loads") == [["qualite"]]
    assert counts(warehouse.load(row(qualite="2"), columns=(*V2_COLUMNS, "qualite"))) == (0, 1, 0, 0)


def test_a_missing_essential_column_stops_the_load_and_raw_stays_exactly_as_it_was(warehouse, row):
    warehouse.load(row())
    before = warehouse.raw()
    renamed = [name if name != "rr1" else "rr_1h" for name in V2_COLUMNS]
    with pytest.raises(HeaderChanged, match="missing rr1; new columns: rr_1h") as raised:
        warehouse.load(row("09225001"), columns=renamed)
    assert warehouse.raw() == before
    assert warehouse.query("select load_id, status, rows_seen, error from meta.loads order by load_id") == [
        (1, "loaded", 1, None),
        (2, "failed", 0, str(raised.value)),
    ]


def test_a_column_that_is_absent_and_not_essential_keeps_what_was_known(warehouse, row):
    warehouse.load(row(vv="10000", t="281.15"))
    without = [name for name in V2_COLUMNS if name != "vv"]
    assert counts(warehouse.load(row(t="282.15"), columns=without)) == (0, 1, 0, 0)
    assert warehouse.versions("t, vv")[-1] == ("282.15", "10000")


def test_columns_may_come_in_any_order(warehouse, row):
    warehouse.load(row(t="281.15", u="80"))
    assert counts(warehouse.load(row(t="281.15", u="80"), columns=V2_COLUMNS[::-1])) == (0, 0, 1, 0)


# --- stations


def station(**changes):
    return {"Id_station": "09289001", "Nom_usuel": "SAINT-GIRONS", "Altitude": "414", **changes}


def load_list(warehouse, as_csv, *rows):
    return warehouse.load_body(as_csv(rows, STATIONS), dataset="liste-stations", scope="all")


def test_a_station_that_changes_is_a_new_version_and_one_that_leaves_the_list_is_kept(warehouse, as_csv):
    other = station(Id_station="09225001", Nom_usuel="PAMIERS")
    assert counts(load_list(warehouse, as_csv, station(), other)) == (2, 0, 0, 0)
    assert counts(load_list(warehouse, as_csv, station())) == (0, 0, 1, 0)
    assert counts(load_list(warehouse, as_csv, station(Nom_usuel="ST GIRONS"))) == (0, 1, 0, 0)
    assert warehouse.query('select "Id_station", version, "Nom_usuel" from raw.stations order by all') == [
        ("09225001", 1, "PAMIERS"),
        ("09225001", 2, "PAMIERS"),
        ("09289001", 1, "SAINT-GIRONS"),
        ("09289001", 2, "ST GIRONS"),
    ]
    assert warehouse.query('select "Id_station", load_id from raw.stations where has_left') == [("09225001", 2)]
    assert counts(load_list(warehouse, as_csv, station(Nom_usuel="ST GIRONS"), other)) == (0, 1, 1, 0)  # it is back
    assert warehouse.query("select has_left from raw.stations where \"Id_station\" = '09225001' order by version") == [
        False,
        True,
        False,
    ]


def test_a_list_without_a_station_is_no_list(warehouse, as_csv):
    with pytest.raises(PayloadTruncated, match="it lists no station"):
        load_list(warehouse, as_csv)


def test_a_station_without_a_readable_id_is_set_aside(warehouse, as_csv):
    assert counts(load_list(warehouse, as_csv, station(), station(Id_station="9?"))) == (1, 0, 0, 1)
    assert warehouse.rejected() == [(2, "Id_station is not eight digits")]


# --- the record of loads


def test_meta_loads_says_what_each_payload_brought(warehouse, row):
    warehouse.load(row(), row("09225001"), row("bad"))
    warehouse.load(row(t="290.15"), row("09225001"))
    assert warehouse.query(
        "select load_id, source, dataset, scope, department_code, status, api_version, rows_seen, rows_new,"
        " rows_changed, rows_unchanged, rows_rejected from meta.loads order by load_id"
    ) == [
        (1, "demo", "paquet-horaire", "9", "9", "loaded", "v2", 3, 2, 0, 0, 1),
        (2, "demo", "paquet-horaire", "9", "9", "loaded", "v2", 2, 0, 1, 1, 0),
    ]
    [(payload, digest, size, fetched, loaded, seconds)] = warehouse.query(
        "select payload, payload_digest, payload_bytes, fetched_at, loaded_at, seconds from meta.loads where load_id=2"
    )
    file = warehouse.paths.landing / "demo" / payload
    assert (file.stat().st_size, digest in file.name, fetched) == (size, True, warehouse.now)
    assert loaded <= datetime.now(UTC)
    assert seconds > 0


def test_a_payload_that_is_no_packet_leaves_raw_as_it_was_and_stays_landed(warehouse, row):
    warehouse.load(row())
    before = warehouse.raw()
    with pytest.raises(PayloadNotRecognized):
        warehouse.load_body(b"<!DOCTYPE html><html><body>Maintenance</body></html>")
    assert warehouse.raw() == before
    assert len(list(warehouse.paths.landing.rglob("*.gz"))) == 2


def test_a_row_that_cannot_be_keyed_is_no_version_of_a_known_one(warehouse, row):
    warehouse.load(row())
    # DuckDB reads this as the same instant.
    assert counts(warehouse.load(row(hour="2026-11-23 04:00:00Z", t="282.15"))) == (0, 0, 0, 1)
    assert warehouse.versions() == [(1, "281.15")]


def test_a_time_with_an_offset_is_the_hour_it_names(warehouse, row):
    warehouse.load(row())
    assert counts(warehouse.load(row(hour="2026-11-23T05:00:00+01:00", t="282.15"))) == (0, 1, 0, 0)
    assert counts(warehouse.load(row(hour="2026-11-23T06:00:00+00:00"))) == (1, 0, 0, 0)


def test_only_a_departments_packet_has_a_department(warehouse, row, as_csv):
    warehouse.load(row())
    warehouse.load_body(as_csv([row()]), scope="file")
    warehouse.load_body(as_csv([row()]), dataset="paquet-stations-horaire", scope="20261123T04Z")
    assert warehouse.query("select department_code from meta.loads order by load_id") == ["9", None, None]

import csv
import io
import json
from time import perf_counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.errors import HeaderChanged, PayloadError, PayloadNotRecognized, PayloadTruncated
from ingestion.meteofrance.parser import parse_observations, parse_stations
from ingestion.meteofrance.schema import OBSERVATION_COLUMNS, STATION_COLUMNS, V1_COLUMNS, V2_COLUMNS

DEPT_76 = "paquet-horaire_dept76_v1_2024-10-17T14Z.json"
FRANCE = "paquet-stations-horaire_v1_2024-10-17T14Z.json"
DEPT_33 = "paquet-horaire_dept33_v2_2026-07-18_2rows.csv"


def row(station="09289001", hour="2026-11-23T04:00:00Z", **values):
    return {"geo_id_insee": station, "validity_time": hour, "t": "288.15", **values}


def as_csv(rows, columns=V2_COLUMNS, end="\n"):
    """A packet as CSV; a value None is empty."""
    lines = [columns, *([r.get(name) or "" for name in columns] for r in rows)]
    return end.join(";".join(line) for line in lines).encode() + end.encode()


def parse_csv(body):
    return parse_observations(body, "csv")


THREE = [row("09289001"), row("09289002"), row("09289003")]


# --- real payloads


@pytest.mark.parametrize(("name", "rows", "traces"), [(DEPT_76, 450, 11), (FRANCE, 2_033, 16)])
def test_a_real_json_packet_of_v1_is_read_whole(real_file, name, rows, traces):
    packet = parse_observations(real_file(name), "json")
    assert (packet.rows.num_rows, packet.rows_seen, packet.api_version) == (rows, rows, "v1")
    assert (packet.malformed, packet.extra_columns) == ((), ())
    assert packet.present_columns == tuple(c for c in OBSERVATION_COLUMNS if c in V1_COLUMNS)
    assert packet.rows["rr1"].to_pylist().count("-0.1") == traces
    assert packet.rows["raf"].null_count == packet.rows["ddraf"].null_count == rows
    assert packet.rows["fxi"].null_count < rows


def test_a_real_csv_packet_of_v2_is_read_whole(real_file):
    packet = parse_csv(real_file(DEPT_33))
    assert (packet.rows.num_rows, packet.api_version) == (2, "v2")
    assert packet.rows["t"].to_pylist() == ["299.15", "296.85"]
    assert packet.rows["geo_id_insee"].to_pylist() == ["33042001", "33042001"]


@pytest.mark.parametrize("name", [DEPT_76, FRANCE])
def test_a_real_packet_converted_to_csv_gives_the_same_table_as_its_json(real_file, name):
    body = real_file(name)
    upstream_texts = json.loads(body, parse_float=str, parse_int=str)
    converted = as_csv(upstream_texts, V1_COLUMNS)
    assert parse_csv(converted).rows.equals(parse_observations(body, "json").rows)


def test_numbers_keep_upstreams_text(real_file):
    body = real_file(DEPT_76)
    assert parse_observations(body, "json").rows["u"][0].as_py() == "80.0"


def test_the_real_station_list_is_read_whole(real_file):
    packet = parse_stations(real_file("liste-stations.csv"))
    assert (packet.rows.num_rows, packet.rows_seen, packet.malformed) == (2_119, 2_119, ())
    assert packet.rows.column_names == list(STATION_COLUMNS)
    assert packet.rows["Id_station"][0].as_py() == "01014002"


# --- the shape of a packet


@pytest.mark.parametrize(("columns", "version"), [(V1_COLUMNS, "v1"), (V2_COLUMNS, "v2")])
def test_both_versions_give_the_same_columns_all_text(columns, version):
    packet = parse_csv(as_csv(THREE, columns))
    assert packet.api_version == version
    assert packet.rows.column_names == [*OBSERVATION_COLUMNS, "extra"]
    assert set(packet.rows.schema.types) == {pa.string()}


def test_the_gusts_of_the_two_versions_stay_apart():
    old = parse_csv(as_csv([row(fxi="9.9")], V1_COLUMNS)).rows
    new = parse_csv(as_csv([row(raf="8.8")], V2_COLUMNS)).rows
    assert (old["fxi"][0].as_py(), old["raf"][0].as_py()) == ("9.9", None)
    assert (new["fxi"][0].as_py(), new["raf"][0].as_py()) == (None, "8.8")


@pytest.mark.parametrize("body", [as_csv([]), as_csv([]).strip(), as_csv([], V1_COLUMNS, "\r\n")])
def test_a_header_alone_is_an_empty_packet(body):
    assert parse_csv(body).rows_seen == parse_csv(body).rows.num_rows == 0


@pytest.mark.parametrize("body", [b"[]", b" [ ]\n", b'{"type": "FeatureCollection", "features": []}'])
def test_empty_json_is_an_empty_packet(body):
    packet = parse_observations(body, "json")
    assert (packet.rows_seen, packet.present_columns) == (0, ())
    assert packet.rows.column_names == [*OBSERVATION_COLUMNS, "extra"]


def test_reordered_columns_change_nothing():
    reordered = tuple(reversed(V2_COLUMNS))
    assert parse_csv(as_csv(THREE, reordered)).rows.equals(parse_csv(as_csv(THREE)).rows)


def test_an_unknown_column_is_kept_aside_with_its_values():
    rows = [row(neu="1.50"), row("09289002")]
    body = as_csv(rows, (*V2_COLUMNS, "neu", "été"))
    packet = parse_csv(body)
    assert packet.extra_columns == ("neu", "été")
    assert packet.rows["extra"].to_pylist() == ['{"neu": "1.50"}', None]
    assert "neu" not in packet.present_columns


def test_a_missing_minor_column_is_null_and_known_to_be_absent():
    packet = parse_csv(as_csv(THREE, tuple(c for c in V2_COLUMNS if c != "sss")))
    assert packet.rows["sss"].null_count == 3
    assert "sss" not in packet.present_columns


@pytest.mark.parametrize("gone", ["geo_id_insee", "validity_time", "t", "rr1", "u", "ff", "raf", "ddraf"])
def test_a_renamed_essential_column_stops_and_is_named(gone):
    columns = tuple(f"{c}_new" if c == gone else c for c in V2_COLUMNS)
    for body, kind in ((as_csv(THREE, columns), "csv"), (json.dumps([dict.fromkeys(columns)]).encode(), "json")):
        with pytest.raises(HeaderChanged) as changed:
            parse_observations(body, kind)
        assert changed.value.missing == (gone,)
        assert changed.value.extra == (f"{gone}_new",)


def test_a_packet_with_neither_gust_pair_stops():
    with pytest.raises(HeaderChanged) as changed:
        parse_csv(as_csv(THREE, tuple(c for c in V2_COLUMNS if c not in ("raf", "ddraf"))))
    assert changed.value.missing == ("ddraf", "raf")


def test_a_column_that_comes_twice_stops():
    with pytest.raises(HeaderChanged, match="t \\(twice\\)"):
        parse_csv(as_csv(THREE, (*V2_COLUMNS, "t")))


# --- rough bytes


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n"])
def test_line_ends_and_a_byte_order_mark_change_nothing(end):
    expected = parse_csv(as_csv(THREE)).rows
    assert parse_csv(b"\xef\xbb\xbf" + as_csv(THREE, end=end)).rows.equals(expected)
    assert parse_csv(as_csv(THREE, end=end).rstrip()).rows.equals(expected)


def test_blank_lines_at_the_end_are_no_rows_and_blanks_of_the_last_field_are_kept():
    packet = parse_csv(as_csv([row(pmer=" ")]) + b" \r\n\t\n")
    assert packet.rows_seen == 1
    assert packet.rows["pmer"].to_pylist() == [" "]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a;b;c", "3 fields"),
        (";" * 40, "41 fields"),
        ("\0" + ";" * 31, "NUL"),
        ('"' + ";" * 31, "never closed"),
        ('"a"b' + ";" * 31, "quoted wrongly"),
    ],
)
def test_a_malformed_row_costs_itself_only(text, reason):
    lines = as_csv(THREE).decode().splitlines()
    packet = parse_csv("\n".join([*lines[:3], text, *lines[3:]]).encode())
    assert packet.rows["geo_id_insee"].to_pylist() == ["09289001", "09289002", "09289003"]
    (malformed,) = packet.malformed
    assert malformed.position == 3
    assert reason in malformed.reason
    assert malformed.text == text.replace("\0", "␀")
    assert packet.rows_seen == 4


def test_quoted_fields_are_read_without_their_quotes():
    body = as_csv([row('"09289001"', t='"288,15; ""sic"""'), row("09289002")])
    rows = parse_csv(body).rows
    assert rows["geo_id_insee"].to_pylist() == ["09289001", "09289002"]
    assert rows["t"][0].as_py() == '288,15; "sic"'
    assert rows["ff"].null_count == 2


def test_bytes_that_are_not_utf8_are_read_as_windows_1252_and_their_row_kept():
    packet = parse_csv(as_csv([row(t="BAD")]).replace(b"BAD", b"28\xe98"))
    assert packet.rows["t"].to_pylist() == ["28é8"]
    assert packet.note == "letters that are not UTF-8 read as Windows-1252"


LIST_HEADER = "Id_station;Id_omm;Nom_usuel;Latitude;Longitude;Altitude;Date_ouverture;Pack\n"
SAINT_ETIENNE = "42218001;07475;SAINT-ÉTIENNE;45.543000;4.295000;400;1946-01-01;RADOME\n"


@pytest.mark.parametrize(
    ("body", "note"),
    [
        ((LIST_HEADER + SAINT_ETIENNE).encode(), ""),
        ((LIST_HEADER + SAINT_ETIENNE).encode("utf-8-sig"), ""),
        ((LIST_HEADER + SAINT_ETIENNE).encode("latin-1"), "letters that are not UTF-8 read as Windows-1252"),
        ((LIST_HEADER + SAINT_ETIENNE).encode("utf-16"), "read as UTF-16"),
        (b"\xfe\xff" + (LIST_HEADER + SAINT_ETIENNE).encode("utf-16-be"), "read as UTF-16"),
    ],
    ids=["utf-8", "utf-8 with a mark", "latin-1", "utf-16", "utf-16 of the other order"],
)
def test_a_list_is_read_in_the_encoding_it_was_saved_in(body, note):
    packet = parse_stations(body)
    assert packet.rows["Nom_usuel"].to_pylist() == ["SAINT-ÉTIENNE"]
    assert packet.note == note


def test_one_letter_in_another_encoding_does_not_spoil_the_others():
    body = (LIST_HEADER + SAINT_ETIENNE).encode() + SAINT_ETIENNE.replace("ÉTIENNE", "CŒUR").encode("cp1252")
    assert parse_stations(body).rows["Nom_usuel"].to_pylist() == ["SAINT-ÉTIENNE", "SAINT-CŒUR"]


def test_json_that_is_not_utf8_is_read_too():
    fields = {**dict.fromkeys(V2_COLUMNS), **row(), "remark": "gelée"}
    packet = parse_observations(json.dumps([fields], ensure_ascii=False).encode("latin-1"), "json")
    assert packet.rows["extra"].to_pylist() == ['{"remark": "gelée"}']
    assert packet.note == "letters that are not UTF-8 read as Windows-1252"


def test_utf16_that_breaks_off_is_cut_short():
    with pytest.raises(PayloadTruncated, match="its UTF-16 breaks off"):
        parse_stations((LIST_HEADER + SAINT_ETIENNE).encode("utf-16")[:-1])


@pytest.mark.parametrize("text", ["NaN", "nan", "NULL", "N/A", "-0.1", "1e3", "mq"])
def test_a_value_is_never_interpreted(text):
    assert parse_csv(as_csv([row(t=text)])).rows["t"].to_pylist() == [text]


def test_json_values_that_are_no_text_become_upstreams_text():
    body = b'[{"geo_id_insee": "09289001", "t": 288.150, "u": NaN, "n": true, "ff": [1], "raf": "", "vv": 1E3'
    rest = "".join(f', "{name}": null' for name in V2_COLUMNS if f'"{name}"'.encode() not in body)
    rows = parse_observations(body + rest.encode() + b"}]", "json").rows.to_pylist()[0]
    texts = tuple(rows[name] for name in ("t", "u", "n", "ff", "raf", "vv", "pmer"))
    assert texts == ("288.150", "NaN", "true", '["1"]', None, "1E3", None)


def test_geojson_gives_the_same_table_as_json():
    rows = [{**dict.fromkeys(V2_COLUMNS), **row(), "lat": 42.5, "lon": 1.5}]
    bare = {k: v for k, v in rows[0].items() if k not in ("lat", "lon")}
    feature = {
        "type": "Feature",
        "properties": bare,
        "geometry": {"type": "Point", "coordinates": [1.5, 42.5]},
    }
    collection = {"type": "FeatureCollection", "features": [feature]}
    packets = [parse_observations(json.dumps(body).encode(), "json") for body in (rows, collection)]
    assert packets[0].rows.equals(packets[1].rows)


def test_json_rows_that_are_no_objects_or_hold_nul_are_malformed():
    good = {**dict.fromkeys(V2_COLUMNS), **row()}
    body = json.dumps([good, 5, {**good, "t": "\0"}, {"type": "Feature", "properties": 3}, good]).encode()
    packet = parse_observations(body, "json")
    assert packet.rows.num_rows == 2
    assert [m.position for m in packet.malformed] == [2, 3, 4]


# --- payloads that are no packet


def test_a_csv_cut_inside_its_last_row_is_truncated():
    body = as_csv(THREE)
    last_row = len(body.splitlines()[-1])
    for missing in range(17, last_row):  # the last 16 signs are this row's empty fields
        with pytest.raises(PayloadTruncated, match="row 3 of 3"):
            parse_csv(body[: -1 - missing])


def test_a_csv_cut_inside_a_quoted_field_is_truncated():
    with pytest.raises(PayloadTruncated):
        parse_csv(as_csv(THREE) + b'1;2;"3')


def test_a_csv_cut_inside_its_header_is_truncated():
    header = as_csv([]).strip()
    for length in range(1, header.index(b";ddraf")):
        with pytest.raises((PayloadTruncated, PayloadNotRecognized)):
            parse_csv(header[:length])


def test_json_cut_anywhere_is_truncated():
    body = json.dumps([{**dict.fromkeys(V2_COLUMNS), **row(ff=3.1, n=True)}] * 2).encode()
    for length in range(1, len(body)):
        with pytest.raises(PayloadTruncated):
            parse_observations(body[:length], "json")


@pytest.mark.parametrize("format", ["csv", "json"])
def test_an_empty_body_is_truncated(format):
    for body in (b"", b" \n", b"\xef\xbb\xbf"):
        with pytest.raises(PayloadTruncated):
            parse_observations(body, format)


@pytest.mark.parametrize("format", ["csv", "json"])
@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><html><body>Maintenance</body></html>",
        b'<?xml version="1.0"?><am:fault/>',
        b"\x1f\x8b\x08\x00binary",
        "<html></html>".encode("utf-16"),
        b'"just a text"',
        b"12",
        b'{"message": "Bad Request"}',
        b"[1, 2]",
        b'[{"a": 1}]',
        b'[{"a": }]',
        b"[" * 100_000,
    ],
)
def test_what_is_no_packet_is_not_recognized(body, format):
    with pytest.raises((PayloadNotRecognized, PayloadTruncated)) as refused:
        parse_observations(body, format)
    if not body.startswith(b"[["):
        assert type(refused.value) is PayloadNotRecognized


@pytest.mark.parametrize("sign", [",", "\t", "|"])
def test_another_delimiter_is_named(sign):
    with pytest.raises(PayloadNotRecognized, match="separated by"):
        parse_csv(as_csv(THREE).replace(b";", sign.encode()))


def test_rows_that_all_disagree_with_the_header_are_no_packet():
    body = as_csv(THREE).replace(b"\n", b";\n").replace(b"pmer;", b"pmer")
    with pytest.raises(PayloadNotRecognized, match="33 fields"):
        parse_csv(body)


# --- stations


def test_station_ids_are_trimmed_and_other_texts_kept():
    body = ";".join(STATION_COLUMNS) + "\n 09289001 ;;PORT D'AULA ;42.7;1.1;2140;1996-01-01;RADOME\n"
    station = parse_stations(body.encode()).rows.to_pylist()[0]
    assert (station["Id_station"], station["Nom_usuel"]) == ("09289001", "PORT D'AULA ")
    assert station["Id_omm"] is None


def test_a_station_list_without_positions_stops():
    with pytest.raises(HeaderChanged) as changed:
        parse_stations(b"Id_station;Nom_usuel;Latitude;Altitude;X\n01014002;ARBENT;46.2;534;5.6\n")
    assert (changed.value.missing, changed.value.extra) == (("Longitude",), ("X",))


# --- properties

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
plain = texts.filter(lambda text: not set(text) & set(';"\r\n'))


@given(st.lists(st.tuples(plain, plain, plain), max_size=6), st.permutations(V2_COLUMNS))
def test_any_values_come_back_as_they_were_from_csv(values, columns):
    rows = [row(t=t, rr1=rr1, pmer=pmer) for t, rr1, pmer in values]
    read = parse_csv(as_csv(rows, columns)).rows
    assert list(zip(*(read[c].to_pylist() for c in ("t", "rr1")), strict=True)) == [
        (t or None, rr1 or None) for t, rr1, _ in values
    ]


@given(st.lists(st.dictionaries(st.sampled_from((*V2_COLUMNS, "neu")), texts), max_size=5))
def test_quoted_csv_and_json_agree_on_any_values(rows):
    columns = (*V2_COLUMNS, "neu")
    flat = [{c: r.get(c, "").replace("\r", "").replace("\n", "") for c in columns} for r in rows]
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    quoted = parse_csv(out.getvalue().encode())
    from_json = parse_observations(json.dumps(flat).encode(), "json")
    assert quoted.rows.equals(from_json.rows)


noise = st.one_of(st.binary(max_size=8), st.sampled_from([b'"', b"\0", b";", b"\n", b"\r", b"\xff", b"{", b"]", b"\\"]))
damages = st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 40), noise), min_size=1, max_size=4)


@given(damages, st.sampled_from(["csv", "json"]), st.sampled_from([V1_COLUMNS, V2_COLUMNS]))
def test_a_damaged_packet_is_a_packet_or_a_payload_error(damages, format, columns):
    rows = [{**dict.fromkeys(columns), **r} for r in THREE]
    body = as_csv(THREE, columns) if format == "csv" else json.dumps(rows).encode()
    for at, removed, added in damages:
        at %= len(body) + 1
        body = body[:at] + added + body[at + removed :]
    try:
        packet = parse_observations(body, format)
    except PayloadError as refused:
        message = str(refused)
        assert message.isprintable()
    else:
        assert packet.rows.num_rows + len(packet.malformed) == packet.rows_seen
        assert packet.rows.column_names == [*OBSERVATION_COLUMNS, "extra"]
        packet.rows.validate(full=True)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_packet_or_a_payload_error(body):
    for parse in (parse_csv, parse_stations, lambda b: parse_observations(b, "json")):
        try:
            parse(body)
        except PayloadError:
            continue


def test_a_day_of_all_france_is_read_in_well_under_a_second():
    values = dict.fromkeys(V2_COLUMNS[6:], "288.15")
    body = as_csv([row(f"{i:08d}", **values) for i in range(2_000)])
    header, rows = body.split(b"\n", 1)
    started = perf_counter()
    assert parse_csv(header + b"\n" + rows * 25).rows_seen == 50_000
    assert perf_counter() - started < 1.0  # 0.1 s on two cores

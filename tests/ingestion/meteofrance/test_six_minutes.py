"""Hours rebuilt from six-minute rows: what follows from ten rows, and nothing that does not."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from upstream import Upstream

from ingestion.departments import resolve_all
from ingestion.errors import HeaderChanged, PayloadNotRecognized
from ingestion.ingest import ingest_packet
from ingestion.meteofrance.csv_rows import joined
from ingestion.meteofrance.schema import instants_of
from ingestion.meteofrance.six_minutes import parse_six_minutes
from ingestion.meteofrance.source import rebuild_of_hour, rebuild_of_station
from ingestion.settings import IngestionSettings

HOUR = datetime(2026, 11, 20, 5, tzinfo=UTC)


def body_of(*rows: Mapping[str, object]) -> bytes:
    return json.dumps(rows).encode()


def ten_rows(**values: object) -> list[dict[str, object]]:
    """The ten rows of 05 h; a list gives a value to each, oldest first."""
    rows = []
    for at, instant in enumerate(instants_of(HOUR)):
        mine = {name: value[at] if isinstance(value, list) else value for name, value in values.items()}
        told = f"{instant:%Y-%m-%dT%H:%M:%SZ}"
        rows.append({"geo_id_insee": "09289001", "reference_time": told, "validity_time": told, "t": 280.15} | mine)
    return rows


def hours_of(*rows: Mapping[str, object]) -> list[dict[str, Any]]:
    return parse_six_minutes(body_of(*rows), "json").rows.to_pylist()


def test_an_hour_is_made_of_the_ten_rows_that_end_in_it() -> None:
    assert [f"{instant:%H:%M}" for instant in instants_of(HOUR)] == (
        ["04:06", "04:12", "04:18", "04:24", "04:30", "04:36", "04:42", "04:48", "04:54", "05:00"]
    )


def test_sums_and_maxima_are_of_ten_rows_and_states_of_the_last() -> None:
    rows = ten_rows(
        rr_per=[0.2, 0, 0, 0.2, 0, 0, 0, 0, 0, 0.3],
        t=[280.15] * 9 + [281.25],
        insolh=[6, 6, 6, 6, 6, 6, 0, 0, 0, 1],
        fxi10=[3.0, 9.0, 4.0, 9.0, 3.0, 3.0, 3.0, 3.0, 3.0, 10.0],
        dxi10=[10, 20, 30, 40, 50, 60, 70, 80, 90, 100],
    )
    (hour,) = hours_of(*rows)
    assert (hour["geo_id_insee"], hour["validity_time"]) == ("09289001", "2026-11-20T05:00:00Z")
    assert (float(hour["rr1"]), hour["t"], float(hour["insolh"])) == (0.7, "281.25", 37)
    # The maximum is one of numbers: "9.0" is a greater text than "10.0". v1's wind fills no gust of v2.
    assert (hour["fxi"], hour["dxi"], hour["raf"]) == ("10.0", "100", None)
    assert (hour["tx"], hour["tn"], hour["fxy"], hour["n"]) == (None, None, None, None)
    assert (hour["reference_time"], hour["origin"]) == ("2026-11-20T05:00:00Z", "six_minutes")


def test_a_sum_of_nine_rows_is_no_hour() -> None:
    rows = ten_rows(rr_per=0.1, raf10=5.0, ddraf10=200)
    (hour,) = hours_of(*rows[1:])
    assert (hour["t"], hour["rr1"], hour["raf"], hour["ddraf"]) == ("280.15", None, None, None)
    one_is_empty = [rows[0] | {"rr_per": None}, *rows[1:]]
    (hour,) = hours_of(*one_is_empty)
    assert (hour["rr1"], hour["raf"], hour["ddraf"]) == (None, "5.0", "200")
    assert hours_of(*rows[:-1]) == []  # the hour is not over
    (hour,) = hours_of(*rows, rows[3])  # told twice
    assert float(hour["rr1"]) == 1.0


def test_a_trace_stays_a_trace_unless_more_fell() -> None:
    (hour,) = hours_of(*ten_rows(rr_per=[0, -0.1, 0, 0, 0, 0, 0, 0, 0, 0]))
    assert hour["rr1"] == "-0.1"
    (hour,) = hours_of(*ten_rows(rr_per=[0, -0.1, 0.2, 0, 0, 0, 0, 0, 0, 0]))
    assert float(hour["rr1"]) == 0.2


def test_what_is_no_six_minute_row_is_told() -> None:
    rows = ten_rows(rr_per=0.0)
    odd = rows[4] | {"validity_time": "2026-11-20T04:31:00Z"}
    packet = parse_six_minutes(body_of(*rows, odd), "json")
    assert (packet.rows.num_rows, packet.rows_seen) == (1, 2)
    assert [row.text for row in packet.malformed] == ["2026-11-20T04:31:00Z"]
    with pytest.raises(HeaderChanged):
        parse_six_minutes(body_of({"geo_id_insee": "09289001", "validity_time": "2026-11-20T05:00:00Z"}), "json")
    assert parse_six_minutes(b"[]", "json").rows_seen == 0
    empty = parse_six_minutes(b"lat;lon;geo_id_insee;validity_time;t;rr_per\n", "csv")
    assert empty.rows_seen == empty.rows.num_rows == 0


def test_an_hour_of_every_station_is_ten_requests_of_which_the_wanted_rows_are_kept(
    settings: IngestionSettings, warehouse: Any, upstream: Upstream
) -> None:
    upstream.reset()
    result = ingest_packet(settings, rebuild_of_hour(HOUR, resolve_all(["9"]), ["09024004", "09289001", "31042012"]))
    assert upstream.requests == ["/public/DPPaquetObs/v2/paquet/stations/infrahoraire-6m"] * 10
    assert (result.rows_seen, result.counts.new) == (2, 2)
    found = "select geo_id_insee, observed_at, rr1 is not null from raw.rebuilt_observations order by 1"
    assert warehouse.query(found) == [("09024004", HOUR, True), ("09289001", HOUR, True)]
    result = ingest_packet(settings, rebuild_of_station("09289001", [HOUR - timedelta(hours=1), HOUR]))
    assert (result.counts.new, result.counts.unchanged) == (1, 1)


def test_packets_with_two_headers_are_not_one() -> None:
    assert joined([b"a;b\r\n1;2\r\n", b"a;b\n3;4"]) == b"a;b\n1;2\n3;4\n"
    with pytest.raises(PayloadNotRecognized):
        joined([b"a;b\n1;2\n", b"a;c\n1;2\n"])


def test_a_real_packet_gives_the_real_hours(real_file: Callable[[str], bytes]) -> None:
    six = parse_six_minutes(real_file("paquet-infrahoraire-6m_76116001_v1_2024-10-17T14Z.json"), "json")
    told = json.loads(real_file("paquet-horaire_dept76_v1_2024-10-17T14Z.json"))
    hourly = {row["validity_time"]: row for row in told if row["geo_id_insee"] == "76116001"}
    rebuilt = {row["validity_time"]: row for row in six.rows.to_pylist()}
    whole = [hour for hour, row in rebuilt.items() if row["rr1"] is not None]
    assert len(whole) == 23  # from 15 h to 13 h; 14 h is begun at one end, and not over at the other
    for hour in whole:
        mine, theirs = rebuilt[hour], hourly[hour]
        assert float(mine["rr1"]) == max(theirs["rr1"], 0.0), hour  # six-minute rows tell no trace
        for name in ("t", "td", "u", "dd", "ff", "t_10", "pres", "pmer", "vv", "insolh"):
            assert float(mine[name]) == theirs[name], (hour, name)
        assert abs(float(mine["ray_glo01"]) - theirs["ray_glo01"]) < 1000  # upstream rounds the hour to 1000 J/m²
        assert 0 <= float(mine["fxi"]) - theirs["fxi"] <= 0.5

import asyncio
import json
from datetime import UTC, datetime

import httpx
import pytest

from ingestion.demo.app import create_demo_app
from ingestion.demo.corruption import ROW_FAULTS, TEXT_FAULTS
from ingestion.demo.faults import Fault, FaultKind, refusal
from ingestion.demo.packet import PACKET_COLUMNS
from ingestion.demo.transport import NETWORK_FAULTS, FaultTransport


@pytest.fixture
def spoil(make_demo):
    """The lines of Ariège's CSV packet without and with a fault."""

    def lines(kind, **options):
        demo = make_demo(faults=[Fault(kind, **options)], retention_hours=24)
        spoilt, clean = demo.department().text, demo.department().text
        assert spoilt != clean
        return clean.splitlines(), spoilt.splitlines()

    return lines


def cells(line):
    return dict(zip(PACKET_COLUMNS, line.split(";"), strict=True))


@pytest.mark.parametrize("kind", FaultKind)
def test_every_kind_is_handled_in_exactly_one_place(kind):
    assert [
        refusal(Fault(kind)) is not None,
        *(kind in table for table in (TEXT_FAULTS, ROW_FAULTS, NETWORK_FAULTS)),
    ].count(True) == 1


@pytest.mark.parametrize("packet_format", ["csv", "json", "geojson"])
def test_every_body_fault_spoils_every_format_once(make_demo, packet_format):
    kinds = [*TEXT_FAULTS, *ROW_FAULTS]
    if packet_format != "csv":
        kinds.remove(FaultKind.WRONG_DELIMITER)
    demo = make_demo(faults=[Fault(kind) for kind in kinds], retention_hours=6)
    answers = [demo.department(packet_format=packet_format) for _ in [*kinds, "clean"]]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == len(answers)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (FaultKind.BAD_REQUEST_XML, 400),
        (FaultKind.BAD_REQUEST_JSON, 400),
        (FaultKind.UNAUTHORIZED, 401),
        (FaultKind.FORBIDDEN, 403),
        (FaultKind.NOT_FOUND, 404),
        (FaultKind.TOO_MANY_REQUESTS, 429),
        (FaultKind.SERVER_ERROR, 500),
        (FaultKind.BAD_GATEWAY, 502),
        (FaultKind.UNAVAILABLE, 503),
        (FaultKind.GATEWAY_TIMEOUT, 504),
        (FaultKind.REDIRECT_LOOP, 302),
    ],
)
def test_status_faults_answer_with_their_status(make_demo, kind, status):
    demo = make_demo(faults=[Fault(kind)])
    assert [demo.department().status_code, demo.department().status_code] == [status, 200]


def test_a_redirect_leads_back_to_where_it_came_from(make_demo):
    answer = make_demo(faults=[Fault(FaultKind.REDIRECT_LOOP)]).department()
    assert answer.headers["location"] == str(answer.request.url)


def test_a_bad_request_speaks_the_language_of_its_kind(make_demo):
    demo = make_demo(faults=[Fault(FaultKind.BAD_REQUEST_JSON), Fault(FaultKind.BAD_REQUEST_XML)])
    assert demo.department().json()["message"] == "Contrôle de paramètres en erreur"
    assert demo.get("/v2/liste-stations", {"Accept": "application/json"}).text.startswith("<am:fault")


def test_retry_after_is_sent_only_when_asked(make_demo):
    faults = [Fault(FaultKind.TOO_MANY_REQUESTS, retry_after=7), Fault(FaultKind.TOO_MANY_REQUESTS)]
    demo = make_demo(faults=faults)
    assert [demo.department().headers.get("retry-after") for _ in faults] == ["7", None]


def test_a_fault_strikes_only_what_it_names(make_demo):
    hour = datetime(2026, 11, 23, 3, tzinfo=UTC)
    faults = [
        Fault(FaultKind.BAD_GATEWAY, department="31", times=None),
        Fault(FaultKind.UNAVAILABLE, path="liste-stations"),
        Fault(FaultKind.SERVER_ERROR, hour=hour, times=2),
    ]
    demo = make_demo(faults=faults)
    assert [demo.department(code).status_code for code in ("9", "31", "31", "31")] == [200, 502, 502, 502]
    assert [demo.get("/v2/liste-stations").status_code for _ in range(2)] == [503, 200]
    assert [demo.nation(hour).status_code for _ in range(3)] == [500, 500, 200]
    assert demo.nation(hour.replace(hour=4)).status_code == 200


def test_a_fault_of_rows_waits_for_a_packet(make_demo):
    demo = make_demo(faults=[Fault(FaultKind.TEXT_VALUE), Fault(FaultKind.EMPTY_BODY)])
    assert demo.get("/v2/liste-stations").text == ""
    assert ";abc;" in demo.department().text


@pytest.mark.parametrize("kind", NETWORK_FAULTS)
def test_network_faults_are_raised_by_the_transport(kind):
    async def ask_twice():
        transport = FaultTransport(httpx.ASGITransport(create_demo_app()), [Fault(kind)])
        async with httpx.AsyncClient(transport=transport, base_url="https://demo.test") as client:
            with pytest.raises(NETWORK_FAULTS[kind]):
                await client.get("/v2/liste-stations")
            return await client.get("/v2/liste-stations")

    assert asyncio.run(ask_twice()).status_code == 200


def test_the_application_refuses_a_network_fault():
    with pytest.raises(ValueError, match="FaultTransport"):
        create_demo_app(faults=[Fault(FaultKind.READ_TIMEOUT)])


def test_truncated_csv_ends_in_the_middle_of_the_last_row(spoil):
    clean, spoilt = spoil(FaultKind.TRUNCATED_BODY)
    assert spoilt[:-1] == clean[:-1]
    assert clean[-1].startswith(spoilt[-1])
    assert 0 < len(spoilt[-1]) < len(clean[-1])


@pytest.mark.parametrize("packet_format", ["json", "geojson"])
def test_truncated_json_cannot_be_read(make_demo, packet_format):
    response = make_demo(faults=[Fault(FaultKind.TRUNCATED_BODY)]).department(packet_format=packet_format)
    assert len(response.text) > 300_000
    with pytest.raises(json.JSONDecodeError):
        response.json()


def test_a_maintenance_page_comes_with_status_200(make_demo):
    response = make_demo(faults=[Fault(FaultKind.HTML_PAGE)]).department()
    assert response.headers["content-type"].startswith("text/html")
    assert response.text.startswith("<!DOCTYPE html>")


def test_a_header_can_come_alone(spoil):
    clean, spoilt = spoil(FaultKind.HEADER_ONLY)
    assert spoilt == clean[:1]


def test_a_gzip_stream_can_be_cut(make_demo):
    demo = make_demo(faults=[Fault(FaultKind.CUT_GZIP)])
    cut, whole = demo.department(), demo.department()
    assert cut.headers["content-encoding"] == "gzip"
    assert whole.text.startswith(cut.text)
    assert len(cut.text) < len(whole.text)


def test_columns_can_be_lost_added_renamed_and_reordered(spoil):
    header = list(PACKET_COLUMNS)
    assert "validity_time" not in spoil(FaultKind.MISSING_COLUMN)[1][0].split(";")
    assert "geo_id_insee" not in spoil(FaultKind.MISSING_COLUMN, column="geo_id_insee")[1][0].split(";")
    assert spoil(FaultKind.EXTRA_COLUMN)[1][0].split(";") == [*header, "qualite"]
    assert spoil(FaultKind.REORDERED_COLUMNS)[1][0].split(";") == header[::-1]
    assert ";dxi;fxi;" in spoil(FaultKind.V1_COLUMNS)[1][0]


def test_rows_can_be_repeated_and_contradicted(spoil):
    clean, repeated = spoil(FaultKind.IDENTICAL_ROWS)
    assert repeated == [clean[0], clean[1], *clean[1:]]
    _, contradicted = spoil(FaultKind.CONFLICTING_ROWS)
    first, second = cells(contradicted[1]), cells(contradicted[2])
    assert {column for column in first if first[column] != second[column]} == {"t"}


def test_an_hour_can_come_from_the_future(spoil):
    _, spoilt = spoil(FaultKind.FUTURE_HOUR)
    assert cells(spoilt[1])["validity_time"] == "2026-11-25T05:00:00Z"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (FaultKind.NAN_VALUE, "NaN"),
        (FaultKind.COMMA_VALUE, "12,5"),
        (FaultKind.HUGE_VALUE, "1e308"),
        (FaultKind.TEXT_VALUE, "abc"),
        (FaultKind.NUL_VALUE, "28\x001.2"),
    ],
)
def test_a_value_can_be_unreadable(spoil, kind, value):
    assert cells(spoil(kind)[1][1])["t"] == value
    assert cells(spoil(kind, column="rr1")[1][1])["rr1"] == value


def test_a_row_can_have_too_few_or_too_many_fields(spoil):
    for kind, fields in ((FaultKind.SHORT_ROW, 29), (FaultKind.LONG_ROW, 34)):
        clean, spoilt = spoil(kind)
        changed = [number for number, line in enumerate(spoilt) if line != clean[number]]
        assert len(changed) == 1
        assert 50 < changed[0] < len(clean) - 50
        assert len(spoilt[changed[0]].split(";")) == fields


def test_a_station_id_can_be_unreadable(spoil):
    assert cells(spoil(FaultKind.BAD_STATION_ID)[1][1])["geo_id_insee"] == "09023?"

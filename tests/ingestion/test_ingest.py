"""Fetch, land, load over a real HTTP server; every answer that is not a packet has its own error."""

import socket
from datetime import UTC, datetime, timedelta

import pytest

from ingestion import errors
from ingestion.demo.faults import Fault, FaultKind
from ingestion.departments import all_departments, resolve_all
from ingestion.ingest import ingest_packet
from ingestion.meteofrance.source import HOURS_READ_AGAIN, STATION_LIST, plan_requests
from ingestion.settings import IngestionSettings
from ingestion.source import PacketRequest

[ARIEGE] = plan_requests(resolve_all(["9"]), datetime.now(UTC))

pytestmark = pytest.mark.usefixtures("no_waiting")

ERROR_TABLE = [
    (FaultKind.UNAUTHORIZED, errors.TokenRefused, r"token was refused \(900901.*make a new one on portail-api"),
    (FaultKind.FORBIDDEN, errors.NotSubscribed, r"no subscription .*900908.*subscribe to DPPaquetObs v2"),
    (FaultKind.BAD_REQUEST_XML, errors.RequestRefused, r"400 \(“400: Contrôle de paramètres en erreur: demo fault”\)"),
    (FaultKind.BAD_REQUEST_JSON, errors.RequestRefused, r"400 \(“400: Contrôle de paramètres en erreur: demo fault”\)"),
    (FaultKind.NOT_FOUND, errors.WrongPath, r"nothing is served at .*/v2/paquet/horaire.*check METEOFRANCE_URL"),
    (FaultKind.TOO_MANY_REQUESTS, errors.QuotaExceeded, r"quota is used up \(429 at each of 2 tries.*wait a minute"),
    (FaultKind.SERVER_ERROR, errors.UpstreamDown, r"in 2 tries .*last: 500 .*try again later"),
    (FaultKind.BAD_GATEWAY, errors.UpstreamDown, r"in 2 tries .*last: 502 "),
    (FaultKind.UNAVAILABLE, errors.UpstreamDown, r"in 2 tries .*last: 503 "),
    (FaultKind.GATEWAY_TIMEOUT, errors.UpstreamDown, r"in 2 tries .*last: 504 "),
    (FaultKind.READ_TIMEOUT, errors.UpstreamDown, r"in 2 tries .*last: ReadTimeout"),
    (FaultKind.STALLED_BODY, errors.UpstreamDown, r"in 2 tries .*last: ReadTimeout"),
    (FaultKind.REDIRECT_LOOP, errors.Redirected, r"redirects to .*/v2/paquet/horaire.*not followed"),
    (FaultKind.ENDLESS_BODY, errors.PayloadTooLarge, r"larger than 64 MB, more than any packet"),
    (FaultKind.READ_ERROR, errors.UpstreamDown, r"in 2 tries .*last: RemoteProtocolError"),
    (FaultKind.TRUNCATED_BODY, errors.PayloadTruncated, r"cut short \(row \d+ of \d+ breaks off.*fetch it again"),
    (FaultKind.EMPTY_BODY, errors.PayloadTruncated, r"it is empty, without even a header"),
    (FaultKind.CUT_GZIP, errors.PayloadTruncated, r"cut short"),
    (FaultKind.HTML_PAGE, errors.PayloadNotRecognized, r"not a packet .*it starts with “<!DOCTYPE html>"),
    (FaultKind.WRONG_DELIMITER, errors.PayloadNotRecognized, r"columns are separated by commas, not by `;`"),
    (FaultKind.MISSING_COLUMN, errors.HeaderChanged, r"missing validity_time; no new columns"),
]


def everything_but_loads(warehouse):
    return [*warehouse.raw(), warehouse.query("from meta.rejected_rows")]


@pytest.mark.parametrize(("kind", "error", "message"), ERROR_TABLE, ids=[str(row[0]) for row in ERROR_TABLE])
def test_every_fault_has_its_own_error_and_leaves_raw_as_it_was(upstream, settings, warehouse, kind, error, message):
    ingest_packet(settings, ARIEGE)
    before = everything_but_loads(warehouse)
    upstream.reset(Fault(kind, path="paquet/horaire", times=None))
    patience = 0.3 if kind in (FaultKind.READ_TIMEOUT, FaultKind.STALLED_BODY) else 30  # the machine may be busy
    with pytest.raises(error, match=message) as raised:
        ingest_packet(settings.model_copy(update={"read_timeout_seconds": patience}), ARIEGE)
    assert type(raised.value) is error
    assert "\n" not in str(raised.value)
    assert everything_but_loads(warehouse) == before
    failed = warehouse.query("select error from meta.loads where status = 'failed'")
    is_kept = issubclass(error, errors.PayloadError) and error is not errors.PayloadTooLarge
    assert failed == ([str(raised.value)] if is_kept else [])
    # What came is kept even when it could not be loaded, and the next good answer is loaded.
    assert len(list(warehouse.paths.landing.rglob("*.gz"))) == 1 + len(failed)
    upstream.reset(now=upstream.now + timedelta(hours=1))
    assert ingest_packet(settings, ARIEGE).brought_news


def test_a_wrong_token_is_refused_by_name(settings, upstream):
    with pytest.raises(errors.TokenRefused):
        ingest_packet(IngestionSettings(meteofrance_token="another"), ARIEGE)


def test_without_a_token_meteofrance_is_not_even_asked(upstream, settings):
    with pytest.raises(errors.TokenMissing, match=r"set METEOFRANCE_TOKEN .* or set METEOFRANCE_SOURCE=demo"):
        ingest_packet(settings.model_copy(update={"meteofrance_token": None}), ARIEGE)
    assert upstream.requests == []


def test_a_server_that_refuses_connections_is_down(settings):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    gone = settings.model_copy(update={"meteofrance_url": f"http://127.0.0.1:{port}"})
    with pytest.raises(errors.UpstreamDown, match=r"in 2 tries .*ConnectError"):
        ingest_packet(gone, ARIEGE)


def test_a_name_nobody_knows_and_a_server_without_tls_are_told_as_what_they_are(upstream, settings):
    for url, words in (
        ("https://girouette.invalid/public", "Name or service not known|No address|name resolution"),
        (upstream.url.replace("http:", "https:"), "SSL"),
    ):
        with pytest.raises(errors.UpstreamDown, match=words):
            ingest_packet(settings.model_copy(update={"meteofrance_url": url}), ARIEGE)


def test_an_unknown_department_is_upstreams_400_in_its_own_words(settings):
    with pytest.raises(errors.RequestRefused, match=r"Contrôle de paramètres en erreur.*'09'"):
        ingest_packet(settings, PacketRequest("paquet-horaire", "09", "09"))


@pytest.mark.parametrize("kind", [FaultKind.BAD_GATEWAY, FaultKind.TOO_MANY_REQUESTS, FaultKind.UNAVAILABLE])
def test_a_fault_that_passes_is_retried_and_forgotten(upstream, settings, kind):
    upstream.reset(Fault(kind, times=1, retry_after=1))
    assert ingest_packet(settings, ARIEGE).counts.new > 0
    assert len(upstream.requests) == 2


def test_a_packet_of_a_header_alone_brings_nothing(upstream, settings, warehouse):
    upstream.reset(Fault(FaultKind.HEADER_ONLY))
    assert ingest_packet(settings, ARIEGE).rows_seen == 0
    assert warehouse.query("select status from meta.loads") == ["loaded"]


ROWS_SET_ASIDE = [
    (FaultKind.SHORT_ROW, "29 fields where the header has 32"),
    (FaultKind.LONG_ROW, "34 fields where the header has 32"),
    (FaultKind.NUL_VALUE, "holds a NUL byte"),
    (FaultKind.BAD_STATION_ID, "geo_id_insee is not eight digits"),
    (FaultKind.CONFLICTING_ROWS, "another row of the same payload has this key and is the later one"),
]


@pytest.mark.parametrize(("kind", "reason"), ROWS_SET_ASIDE)
def test_a_bad_row_costs_itself_only(upstream, settings, warehouse, kind, reason):
    upstream.reset(Fault(kind))
    result = ingest_packet(settings, ARIEGE)
    assert result.counts.rejected == 1
    assert result.counts.new > 100
    assert [found for _, found in warehouse.rejected()] == [reason]
    upstream.reset(Fault(kind))
    again = ingest_packet(settings, ARIEGE)  # the same payload: what it lost is said again
    assert (again.rows_seen, again.counts.new, again.counts.rejected) == (result.rows_seen, 0, 1)


@pytest.mark.parametrize(
    "kind", [FaultKind.NAN_VALUE, FaultKind.COMMA_VALUE, FaultKind.HUGE_VALUE, FaultKind.TEXT_VALUE]
)
def test_an_unreadable_value_is_kept_in_raw(upstream, settings, kind):
    upstream.reset(Fault(kind))
    assert ingest_packet(settings, ARIEGE).counts.rejected == 0


def test_columns_may_be_added_or_reordered(upstream, settings, warehouse):
    upstream.reset(Fault(FaultKind.EXTRA_COLUMN), Fault(FaultKind.REORDERED_COLUMNS))
    assert ingest_packet(settings, ARIEGE).extra_columns == ("qualite",)
    before = warehouse.query("select * exclude (extra, version, load_id, version_seen_at) from raw.observations")
    assert ingest_packet(settings, ARIEGE).counts.new == 0
    assert warehouse.query("select count(distinct (geo_id_insee, observed_at)) from raw.observations") == [len(before)]


def test_the_same_packet_again_is_recorded_and_not_parsed(settings, warehouse):
    first = ingest_packet(settings, ARIEGE, "run 1")
    again = ingest_packet(settings, ARIEGE, "run 2")
    assert again.counts.unchanged == first.rows_seen
    assert warehouse.query("select run_id, status, rows_seen from meta.loads order by load_id") == [
        ("run 1", "loaded", first.rows_seen),
        ("run 2", "unchanged", first.rows_seen),
    ]
    assert len(list(warehouse.paths.landing.rglob("*.gz"))) == 1


def test_a_packet_that_returns_after_another_is_loaded_again(upstream, settings, warehouse):
    for hours in (0, 1, 0):
        upstream.now += timedelta(hours=hours)
        ingest_packet(settings, ARIEGE)
    upstream.reset()
    ingest_packet(settings, ARIEGE)
    assert warehouse.query("select status from meta.loads order by load_id") == [
        "loaded",
        "loaded",
        "unchanged",
        "loaded",
    ]


def test_the_station_list_is_versioned_beside(settings, warehouse):
    assert ingest_packet(settings, STATION_LIST).counts.new > 2000
    assert ingest_packet(settings, STATION_LIST).counts.unchanged > 2000
    assert warehouse.query("select count(*) from raw.observations") == [0]


def test_an_hour_of_all_france_agrees_with_the_departments_packet(settings, upstream, warehouse):
    ingest_packet(settings, ARIEGE)
    before = warehouse.raw()
    hour = upstream.now.replace(minute=0) - timedelta(hours=2)
    result = ingest_packet(settings, PacketRequest("paquet-stations-horaire", f"{hour:%Y%m%dT%HZ}", "an hour", hour))
    assert result.counts.changed == 0
    [known] = warehouse.query("select count(*) from raw.observations where observed_at = ? and load_id = 1", hour)
    assert result.counts.unchanged >= known > 0
    assert result.counts.new > 1500
    assert [row for row in warehouse.raw()[0] if row in before[0]] == before[0]


def test_all_of_france_is_asked_hour_by_hour_and_departments_one_by_one():
    now = datetime(2026, 11, 23, 5, 12, tzinfo=UTC)
    [first, second] = plan_requests(resolve_all(["9", "Haute-Garonne"]), now)
    assert (str(first), first.scope, second.scope) == ("Ariège (9)", "9", "31")
    hours = plan_requests(all_departments(), now)
    assert len(hours) == HOURS_READ_AGAIN
    assert [hours[0].hour, hours[-1].hour] == [now.replace(minute=0) - timedelta(hours=35), now.replace(minute=0)]


def test_the_embedded_demo_source_needs_neither_token_nor_network(monkeypatch, data_dir):
    result = ingest_packet(IngestionSettings(data_dir=data_dir), ARIEGE)
    assert result.counts.new > 500
    assert [path.name for path in (data_dir / "landing").iterdir()] == ["demo"]

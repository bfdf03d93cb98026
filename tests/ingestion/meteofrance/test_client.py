import asyncio
import gzip
import itertools
import logging
import random
import threading
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import httpx
import pytest
from pyrate_limiter import Rate

from ingestion import errors
from ingestion.meteofrance import client as client_module
from ingestion.meteofrance.client import MeteoFranceClient
from ingestion.meteofrance.pacing import RequestPacer
from ingestion.settings import IngestionSettings

TOKEN = "eyJ0b2tlbg.c2VjcmV0.c2lnbmF0dXJl"
CSV = b"lat;lon\n"
_tokens = itertools.count()


def settings_with(**changes):
    defaults = {
        "meteofrance_token": f"{TOKEN}{next(_tokens)}",  # a token of its own: tests share no quota
        "meteofrance_url": "http://example.test/public/DPPaquetObs",
        "meteofrance_source": "auto",
        "meteofrance_auth": "apikey",
        "requests_per_minute": 600,
        "max_attempts": 5,
        "read_timeout_seconds": 30.0,
    }
    return IngestionSettings(_env_file=None, **(defaults | changes))


class Upstream:
    """Answers in turn with what it was given; the last answer repeats."""

    def __init__(self, *answers):
        self.answers, self.requests = list(answers), []

    async def __call__(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer


def answer(status, body=b"", headers=None):
    return lambda: httpx.Response(status, content=body, headers=headers)


def fetch(upstream, call=lambda client: client.fetch_department("9"), **changes):
    async def run():
        async with MeteoFranceClient(settings_with(**changes), httpx.MockTransport(upstream)) as client:
            return await call(client)

    return asyncio.run(run())


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """Seconds every retry would have waited, without waiting them."""
    slept, give_way, ours = [], asyncio.sleep, threading.get_ident()

    async def note(seconds):
        if threading.get_ident() != ours:  # a server of another test's fixture, in a thread of its own
            await give_way(seconds)
            return
        slept.append(seconds)
        await give_way(0)

    monkeypatch.setattr(asyncio, "sleep", note)
    monkeypatch.setattr(random, "uniform", lambda low, high: 0.0)
    return slept


def test_a_department_is_asked_for_by_its_code_and_format():
    upstream = Upstream(answer(200, CSV))
    before = datetime.now(UTC)
    payload = fetch(upstream)
    assert str(upstream.requests[0].url) == (
        "http://example.test/public/DPPaquetObs/v2/paquet/horaire?id-departement=9&format=csv"
    )
    assert (payload.body, payload.format, payload.endpoint) == (CSV, "csv", "/paquet/horaire")
    assert payload.url == str(upstream.requests[0].url)
    assert payload.attempts == 1
    assert payload.seconds >= 0
    assert before <= payload.fetched_at <= datetime.now(UTC)


def test_the_station_list_is_asked_for_as_csv():
    upstream = Upstream(answer(200, b"Id_station\n"))
    payload = fetch(upstream, lambda client: client.fetch_stations())
    assert upstream.requests[0].url.path.endswith("/v2/liste-stations")
    assert payload.format == "csv"


def test_an_hour_of_france_is_asked_for_in_utc():
    upstream = Upstream(answer(200, b"[]"))
    paris = timezone(timedelta(hours=1))
    hour = datetime(2026, 11, 23, 5, tzinfo=paris)
    payload = fetch(upstream, lambda client: client.fetch_hour(hour, "json"))
    assert dict(upstream.requests[0].url.params) == {"date": "2026-11-23T04:00:00Z", "format": "json"}
    assert payload.format == "json"


@pytest.mark.parametrize("hour", [datetime(2026, 11, 23, 4), datetime(2026, 11, 23, 4, 6, tzinfo=UTC)])  # noqa: DTZ001
def test_an_hour_that_is_not_round_or_has_no_time_zone_is_never_sent(hour):
    upstream = Upstream(answer(200))
    with pytest.raises(ValueError, match="round hour"):
        fetch(upstream, lambda client: client.fetch_hour(hour))
    assert upstream.requests == []


def test_the_token_goes_in_the_apikey_header_or_as_a_bearer_token():
    upstream = Upstream(answer(200, CSV))
    fetch(upstream, meteofrance_token=TOKEN)
    fetch(upstream, meteofrance_token=f" {TOKEN}\n", meteofrance_auth="bearer")
    first, second = (request.headers for request in upstream.requests)
    assert (first["apikey"], first.get("authorization")) == (TOKEN, None)
    assert (second.get("apikey"), second["authorization"]) == (None, f"Bearer {TOKEN}")


def test_without_a_token_nothing_is_sent_to_meteofrance():
    with pytest.raises(errors.TokenMissing):
        MeteoFranceClient(settings_with(meteofrance_token=None))
    with pytest.raises(errors.TokenMissing):
        fetch(Upstream(answer(200)), meteofrance_token=None, meteofrance_source="meteofrance")


def test_the_demo_source_in_process_needs_no_token():
    upstream = Upstream(answer(200, CSV))
    assert fetch(upstream, meteofrance_token=None).body == CSV
    assert upstream.requests[0].headers["apikey"] == "demo"


@pytest.mark.parametrize("token", ["Bearer abc", "abc\ndef", "jeton-é", "  "])
def test_a_token_that_cannot_be_one_is_refused_without_being_shown(token):
    with pytest.raises(errors.TokenRefused) as refused:
        fetch(Upstream(answer(200)), meteofrance_token=token)
    assert "abc" not in str(refused.value)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_transient_status_is_tried_again(status):
    upstream = Upstream(answer(status), answer(status), answer(200, CSV))
    payload = fetch(upstream)
    assert payload.body == CSV
    assert payload.attempts == len(upstream.requests) == 3


@pytest.mark.parametrize(
    "fault",
    [
        httpx.ConnectError("no route"),
        httpx.ConnectTimeout("slow"),
        httpx.ReadTimeout("silent"),
        httpx.RemoteProtocolError("peer closed connection without sending complete message body"),
        httpx.DecodingError("Error -3 while decompressing data"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_a_fault_on_the_way_is_tried_again_and_then_told(fault):
    assert fetch(Upstream(fault, answer(200, CSV))).attempts == 2
    upstream = Upstream(fault)
    with pytest.raises(errors.UpstreamDown, match=type(fault).__name__) as down:
        fetch(upstream, max_attempts=3)
    assert len(upstream.requests) == 3
    assert "3 tries" in str(down.value)


def test_a_compressed_body_that_is_cut_is_fetched_again():
    packed = gzip.compress(CSV * 1000)
    gzipped = {"Content-Encoding": "gzip"}

    def broken():
        return httpx.Response(200, stream=httpx.ByteStream(packed[:10] + b"\xff" * 20), headers=gzipped)

    def whole():
        return httpx.Response(200, stream=httpx.ByteStream(packed), headers=gzipped)

    payload = fetch(Upstream(broken, whole))
    assert (payload.body, payload.attempts) == (CSV * 1000, 2)


def test_an_answer_that_trickles_without_end_is_given_up():
    async def trickle():
        while True:
            await asyncio.Event().wait()
            yield b"x"

    upstream = Upstream(lambda: httpx.Response(200, content=trickle()))
    with pytest.raises(errors.UpstreamDown, match="TimeoutError"):
        fetch(upstream, read_timeout_seconds=0.002, max_attempts=2)
    assert len(upstream.requests) == 2


def test_waits_grow_between_tries(waits):
    with pytest.raises(errors.UpstreamDown):
        fetch(Upstream(answer(503)))
    assert waits == [1, 2, 4, 8]


def test_a_quota_is_waited_out_beyond_its_minute(waits):
    with pytest.raises(errors.QuotaExceeded, match="5 tries"):
        fetch(Upstream(answer(429)))
    assert waits == [5, 10, 20, 40]
    assert sum(waits) > 60


def test_retry_after_is_honoured_in_seconds_and_capped(waits):
    soon, far = answer(429, headers={"Retry-After": "7"}), answer(503, headers={"Retry-After": "86400"})
    assert fetch(Upstream(soon, far, answer(200, CSV))).attempts == 3
    assert waits == [7, 120]


def test_retry_after_is_honoured_as_a_date(waits):
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    fetch(Upstream(answer(503, headers={"Retry-After": at}), answer(200, CSV)))
    assert 25 < waits[0] <= 30


FAULT = "<am:fault><am:code>{}</am:code><am:message>m</am:message><am:description>Contrôle</am:description></am:fault>"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, errors.Redirected),
        (400, errors.RequestRefused),
        (401, errors.TokenRefused),
        (403, errors.NotSubscribed),
        (404, errors.WrongPath),
        (204, errors.RequestRefused),
    ],
)
def test_a_final_refusal_is_told_at_once_and_never_retried(status, kind):
    upstream = Upstream(answer(status, FAULT.format(status).encode()))
    with pytest.raises(kind):
        fetch(upstream)
    assert len(upstream.requests) == 1


def test_a_refused_request_repeats_upstreams_words():
    with pytest.raises(errors.RequestRefused, match="Contrôle") as refused:
        fetch(Upstream(answer(400, FAULT.format(400).encode())))
    assert refused.value.status == 400


def test_a_redirect_is_not_followed():
    upstream = Upstream(answer(302, headers={"Location": "http://elsewhere.test/"}))
    with pytest.raises(errors.Redirected, match=r"elsewhere\.test.*not followed"):
        fetch(upstream)
    assert [request.url.host for request in upstream.requests] == ["example.test"]


def test_a_body_without_bound_is_refused_while_it_arrives(monkeypatch):
    monkeypatch.setattr(client_module, "LARGEST_BODY", 1_000)
    sent = []

    async def endless():
        for _ in range(1_000):
            sent.append(1)
            yield b"x" * 100

    with pytest.raises(errors.PayloadTooLarge):
        fetch(Upstream(lambda: httpx.Response(200, content=endless())))
    assert len(sent) == 11


def test_a_small_compressed_body_that_unpacks_beyond_the_bound_is_refused(monkeypatch):
    monkeypatch.setattr(client_module, "LARGEST_BODY", 1_000)
    bomb = gzip.compress(b"0" * 1_000_000)
    with pytest.raises(errors.PayloadTooLarge):
        fetch(Upstream(answer(200, bomb, {"Content-Encoding": "gzip"})))


def echo(status):
    """An upstream that repeats the token wherever it can."""

    async def handler(request):
        told = request.headers["apikey"]
        body = f'{{"message": "bad token {told}", "description": "{told}"}}'.encode()
        return httpx.Response(status, content=body, headers={"Location": f"http://b.test/?key={told}"})

    return handler


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 429, 500])
def test_the_token_is_in_no_message_and_no_log(status, caplog):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(errors.UpstreamError) as raised:
        fetch(echo(status))
    error = raised.value
    while error is not None:
        assert TOKEN not in f"{error} {error!r}"
        error = error.__cause__
    assert caplog.records
    for record in caplog.records:
        assert TOKEN not in f"{record.getMessage()} {vars(record)}"


def test_the_token_and_the_address_password_are_in_no_repr_and_no_payload():
    url = "http://someone:hidden@example.test/public/DPPaquetObs"
    payload = fetch(Upstream(answer(200, CSV)), meteofrance_url=url)
    assert payload.url.startswith("http://example.test/public/")
    client = MeteoFranceClient(settings_with(), httpx.MockTransport(Upstream(answer(200))))
    for shown in (repr(client), repr(payload), str(payload)):
        assert TOKEN not in shown
        assert "hidden" not in shown


def test_each_try_takes_its_turn_of_the_quota():
    class CountingPacer(RequestPacer):
        turns = 0

        async def take_turn(self):
            self.turns += 1

    pacer = CountingPacer(Rate(1, 1))

    async def run():
        transport = httpx.MockTransport(Upstream(answer(500), answer(500), answer(200, CSV)))
        async with MeteoFranceClient(settings_with(), transport, pacer=pacer) as client:
            await client.fetch_stations()

    asyncio.run(run())
    assert pacer.turns == 3


def test_clients_in_several_threads_with_one_token_share_its_quota(monkeypatch):
    monkeypatch.undo()  # this test really waits, 0.3 s
    pacer, upstream = RequestPacer(Rate(4, 100)), Upstream(answer(200, CSV))
    times = []

    async def handler(request):
        times.append(asyncio.get_running_loop().time())
        return await upstream(request)

    async def run():
        transport = httpx.MockTransport(handler)
        async with MeteoFranceClient(settings_with(), transport, pacer=pacer) as client:
            await asyncio.gather(*(client.fetch_department(str(code)) for code in range(1, 5)))

    threads = [threading.Thread(target=asyncio.run, args=(run(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert len(times) == 16
    assert 0.29 <= max(times) - min(times) < 3


def test_settings_decide_whose_quota_is_shared():
    def pacer(**changes):
        transport = httpx.MockTransport(Upstream(answer(200)))
        return MeteoFranceClient(settings_with(**changes), transport)._pacer

    assert pacer(meteofrance_token="shared") is pacer(meteofrance_token="shared")
    assert pacer(meteofrance_token="shared") is not pacer(meteofrance_token="other")
    assert pacer(meteofrance_token=None) is not pacer(meteofrance_token=None), "the demo source has no quota to share"

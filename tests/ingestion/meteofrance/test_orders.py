"""What DPClim's answers mean, and what is in the file of an order."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import httpx
import pytest

from ingestion.errors import (
    IngestionError,
    NotSubscribed,
    OrderLost,
    PayloadTooLarge,
    QuotaExceeded,
    RequestRefused,
    UpstreamDown,
)
from ingestion.meteofrance.order_client import OrderClient
from ingestion.meteofrance.order_file import parse_order
from ingestion.settings import IngestionSettings
from ingestion.source import Payload

FIRST, LAST = datetime(2026, 11, 20, 8, tzinfo=UTC), datetime(2026, 11, 20, 14, tzinfo=UTC)
SETTINGS = IngestionSettings(_env_file=None, meteofrance_token="a-token", requests_per_minute=600)  # type: ignore[call-arg, arg-type]
ORDERED = b'{"elaboreProduitAvecDemandeResponse": {"return": "2026010476359"}}'


def answering(status: int, body: bytes = b"") -> tuple[OrderClient, list[httpx.Request]]:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(status, content=body)

    return OrderClient(SETTINGS, httpx.MockTransport(answer)), seen


async def order(client: OrderClient) -> str:
    async with client:
        return await client.order("09289001", FIRST, LAST)


async def fetch(client: OrderClient) -> Payload | None:
    async with client:
        return await client.fetch("2026010476359")


def test_an_order_names_its_post_and_period_and_returns_a_number() -> None:
    client, seen = answering(202, ORDERED)
    assert asyncio.run(order(client)) == "2026010476359"
    assert seen[0].url.path == "/public/DPClim/v1/commande-station/horaire"
    assert dict(seen[0].url.params) == {
        "id-station": "09289001",
        "date-deb-periode": "2026-11-20T08:00:00Z",
        "date-fin-periode": "2026-11-20T14:00:00Z",
    }
    assert seen[0].headers["apikey"] == "a-token"


def test_a_file_is_there_or_not_yet() -> None:
    client, seen = answering(201, b"POSTE;DATE\r\n")
    payload = asyncio.run(fetch(client))
    assert payload is not None
    assert payload.body == b"POSTE;DATE\r\n"
    assert (seen[0].url.path, seen[0].url.params["id-cmde"]) == ("/public/DPClim/v1/commande/fichier", "2026010476359")
    assert asyncio.run(fetch(answering(204)[0])) is None


@pytest.mark.parametrize(
    ("status", "of_order", "of_file"),
    [
        (400, RequestRefused, RequestRefused),
        (403, NotSubscribed, NotSubscribed),
        (404, IngestionError, OrderLost),
        (410, RequestRefused, OrderLost),
        (429, QuotaExceeded, QuotaExceeded),
        (500, UpstreamDown, OrderLost),
        (502, UpstreamDown, UpstreamDown),
        (507, OrderLost, OrderLost),
    ],
)
def test_each_other_answer_says_whether_the_file_may_still_come(
    status: int, of_order: type[Exception], of_file: type[Exception]
) -> None:
    with pytest.raises(of_order):
        asyncio.run(order(answering(status)[0]))
    with pytest.raises(of_file):
        asyncio.run(fetch(answering(status)[0]))


def test_an_order_without_a_number_is_lost() -> None:
    for body in (b"", b"[]", b'{"elaboreProduitAvecDemandeResponse": {"return": "../x"}}'):
        with pytest.raises(OrderLost):
            asyncio.run(order(answering(202, body)[0]))


def test_values_become_those_of_an_hourly_packet() -> None:
    body = (
        "POSTE;DATE;RR1;QRR1;T;QT;PMER;NEIGETOT;GLO;FXI;DXI;FXI3S\r\n"
        "9289001;2026112008;0,4;1;-1,5;1;1006,7;12;46;13,8;210;\r\n"
        "09289001;2026112009;9,9;2;;9;;;;;;\r\n"
        "09289001;yesterday;1,0;1;2,0;1;;;;;;\r\n"
    )
    packet = parse_order(body.encode(), "csv")
    first, second = packet.rows.to_pylist()
    assert (first["geo_id_insee"], first["validity_time"]) == ("09289001", "2026-11-20T08:00:00Z")
    values = {name: float(first[name]) for name in ("rr1", "t", "pmer", "sss", "ray_glo01", "fxi", "dxi")}
    assert values == {
        "rr1": 0.4,
        "t": 271.65,
        "pmer": 100670,
        "sss": 0.12,
        "ray_glo01": 460000,
        "fxi": 13.8,
        "dxi": 210,
    }
    assert (first["raf"], first["origin"], first["reference_time"]) == (None, "order", None)
    assert (second["rr1"], second["t"]) == (None, None)  # a doubtful value is none
    assert [row.text for row in packet.malformed] == ["yesterday"]
    assert packet.rows_seen == 3


def test_a_real_file(real_file: Callable[[str], bytes]) -> None:
    packet = parse_order(real_file("dpclim_horaire_76116001_2024-06-15.csv"), "csv")
    first, second = packet.rows.to_pylist()
    assert [row["validity_time"] for row in (first, second)] == ["2024-06-15T12:00:00Z", "2024-06-15T13:00:00Z"]
    names = ("t", "td", "u", "ff", "dd", "fxi", "rr1", "pres", "vv")
    assert [float(first[name]) for name in names] == [287.55, 281.95, 69, 6.4, 210, 13.8, 0, 98820, 32800]
    assert (float(first["raf"]), first["ddraf"]) == (12.4, None)


@pytest.mark.parametrize(
    ("piece", "pause", "error"), [(b"x", 0.01, UpstreamDown), (bytes(16_000_000), 0.0, PayloadTooLarge)]
)
def test_an_answer_without_an_end_is_given_up(piece: bytes, pause: float, error: type[IngestionError]) -> None:
    """The run holds the writer's lock meanwhile."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(pause)
            yield piece

    settings = SETTINGS.model_copy(update={"read_timeout_seconds": 0.05})
    transport = httpx.MockTransport(lambda _: httpx.Response(201, content=endless()))
    with pytest.raises(error):
        asyncio.run(asyncio.wait_for(fetch(OrderClient(settings, transport)), 20))

"""Orders of single posts at DPClim: asking for hours, and fetching the file, which is given out once."""

import json
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import httpx

from ingestion.errors import NotSubscribed, OrderLost, QuotaExceeded, UpstreamDown
from ingestion.meteofrance.auth import auth_of
from ingestion.meteofrance.client import TRANSPORT_FAULTS, http_client, send_bounded, whole_answer_seconds
from ingestion.meteofrance.pacing import pacer_for
from ingestion.meteofrance.refusals import refusal, upstream_words
from ingestion.settings import IngestionSettings
from ingestion.source import Payload

_LIVE, _CLIMATE = "/DPPaquetObs", "/DPClim"  # two APIs at one address
_ORDER, _FILE = "/commande-station/horaire", "/commande/fichier"
_TIME = "%Y-%m-%dT%H:00:00Z"
_LOST = {
    404: "upstream does not know it",
    410: "its file was given out before",
    500: "upstream could not make its file",
}
_TOO_MUCH = 507


class OrderClient:
    """Async context manager over one connection. Nothing is tried twice: the next run goes on."""

    def __init__(self, settings: IngestionSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._auth = auth_of(settings, is_in_process=transport is not None)
        base = str(settings.meteofrance_url).rstrip("/").removesuffix(_LIVE) + _CLIMATE
        token = settings.meteofrance_token or settings.meteofrance_application_id
        self._pacer = pacer_for(base, token, settings.requests_per_minute)
        self._http = http_client(settings, f"{base}/v1", self._auth, transport)
        self._whole_answer_seconds = whole_answer_seconds(settings)

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def order(self, station_id: str, first: datetime, last: datetime) -> str:
        """Order a post's hours from `first` to `last`; return the order's number."""
        times = {"date-deb-periode": first, "date-fin-periode": last}
        params = {name: time.astimezone(UTC).strftime(_TIME) for name, time in times.items()}
        answer, body = await self._get(_ORDER, {"id-station": station_id, **params})
        if answer.status_code != httpx.codes.ACCEPTED:
            raise self._refused(answer, body, _ORDER)
        try:
            number = str(json.loads(body)["elaboreProduitAvecDemandeResponse"]["return"])
        except (ValueError, KeyError, TypeError):
            number = ""
        if not number.isalnum() or not number.isascii():
            raise OrderLost("upstream gave it no number")
        return number

    async def fetch(self, number: str) -> Payload | None:
        """Fetch an order's file; None while it is being made. Raises OrderLost when it will never come."""
        answer, body = await self._get(_FILE, {"id-cmde": number})
        if answer.status_code == httpx.codes.NO_CONTENT:
            return None
        if answer.status_code == httpx.codes.CREATED:
            return Payload(body=body, format="csv", fetched_at=datetime.now(UTC))
        if answer.status_code in _LOST:
            raise OrderLost(_LOST[answer.status_code])
        raise self._refused(answer, body, _FILE)

    async def _get(self, path: str, params: dict[str, str]) -> tuple[httpx.Response, bytes]:
        await self._pacer.take_turn()
        request = self._http.build_request("GET", path, params=params)
        try:
            return await send_bounded(self._http, request, self._whole_answer_seconds)
        except TRANSPORT_FAULTS as error:
            raise UpstreamDown(f"{type(error).__name__} {error}".strip(), 1, 0) from error

    def _refused(self, answer: httpx.Response, body: bytes, path: str) -> Exception:
        status = answer.status_code
        for secret in self._auth.secrets:
            body = body.replace(secret.encode(), b"***")
        if status == httpx.codes.TOO_MANY_REQUESTS:
            return QuotaExceeded(1, 0)
        if status == _TOO_MUCH:
            return OrderLost("it is too large for upstream")
        if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            return UpstreamDown(f"{status} {upstream_words(body)}".strip(), 1, 0)
        if status == httpx.codes.FORBIDDEN:
            return NotSubscribed(upstream_words(body) or "403", "DPClim v1")
        return refusal(status, body, url=str(answer.request.url.copy_with(query=None)), endpoint=path)

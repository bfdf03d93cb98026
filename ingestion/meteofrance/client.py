"""The client of DPPaquetObs: paced, retried, and with an error that says what to do."""

import asyncio
import logging
import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import monotonic
from types import TracebackType
from typing import NoReturn, Self

import httpx
import stamina

from ingestion import source
from ingestion.errors import (
    PayloadTooLarge,
    QuotaExceeded,
    UpstreamDown,
)
from ingestion.meteofrance import endpoints
from ingestion.meteofrance.auth import auth_of
from ingestion.meteofrance.csv_rows import joined, keep_rows
from ingestion.meteofrance.endpoints import Format
from ingestion.meteofrance.pacing import RequestPacer, pacer_for, per_minute
from ingestion.meteofrance.refusals import TRANSIENT_STATUSES, refusal, retry_after_seconds, upstream_words
from ingestion.meteofrance.schema import instants_of
from ingestion.meteofrance.six_minutes import SIX_MINUTE_PACKETS
from ingestion.settings import IngestionSettings
from ingestion.source import PacketRequest
from ingestion.tls import tls

logger = logging.getLogger(__name__)

LARGEST_BODY = 64 * 2**20  # bytes, decompressed; all of France over a day is about 10 MB
_FIRST_QUOTA_WAIT = 5.0  # seconds, then doubled: five tries outlast the minute the quota counts by
_LONGEST_WAIT = 120.0  # seconds; whatever Retry-After asks, as the quota counts by the minute
TRANSPORT_FAULTS = (httpx.TransportError, httpx.DecodingError, TimeoutError)
_WHOLE_ANSWER = 10  # read timeouts; an answer that trickles for longer is given up


@dataclass(frozen=True, kw_only=True, repr=False)
class Payload(source.Payload):
    """One answer as received, and where it came from."""

    endpoint: str
    url: str
    seconds: float
    attempts: int

    def __repr__(self) -> str:
        return f"Payload({self.url!r}, {len(self.body)} bytes, {self.fetched_at:%Y-%m-%dT%H:%M:%SZ})"


class _Transient(Exception):
    """One failed try that another may better."""

    def __init__(self, reason: str, *, quota: bool = False, wait: float | None = None) -> None:
        super().__init__(reason)
        self.quota, self.wait = quota, wait


class MeteoFranceClient:
    """Async context manager over one connection pool.

    Raises `UpstreamError` or `PayloadError`, never httpx's own. Waits between tries are stamina's:
    `stamina.set_testing(True, attempts=20, cap=True)` takes them away.
    """

    def __init__(
        self,
        settings: IngestionSettings,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        pacer: RequestPacer | None = None,
    ) -> None:
        self._auth = auth_of(settings, is_in_process=transport is not None)
        self._max_attempts = settings.max_attempts
        self._whole_answer_seconds = whole_answer_seconds(settings)
        base = str(settings.meteofrance_url).rstrip("/")
        if pacer is None and transport is not None and settings.source == "demo":
            pacer = RequestPacer(per_minute(settings.requests_per_minute))  # shares no quota with anyone
        self._pacer = pacer or pacer_for(
            base, settings.meteofrance_token or settings.meteofrance_application_id, settings.requests_per_minute
        )
        self._http = http_client(settings, f"{base}/{endpoints.VERSION}", self._auth, transport)

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def fetch(self, request: PacketRequest) -> Payload:
        """Fetch the packet of a planned request."""
        if request.is_reference:
            return await self.fetch_stations()
        if request.dataset == SIX_MINUTE_PACKETS:
            return await self._fetch_six_minutes(request)
        if request.hour is not None:
            payload = await self.fetch_hour(request.hour)
            return replace(payload, body=keep_rows(payload.body, request.departments))
        return await self.fetch_department(request.scope)

    async def fetch_stations(self) -> Payload:
        """Fetch the list of all stations (CSV)."""
        return await self._fetch(endpoints.STATIONS, {}, "csv")

    async def fetch_department(self, code: str, format: Format = "csv") -> Payload:
        """Fetch the recent hours of one département, by its `Department.code`."""
        return await self._fetch(endpoints.DEPARTMENT_HOURS, {endpoints.DEPARTMENT_PARAMETER: code}, format)

    async def fetch_hour(self, hour: datetime, format: Format = "csv") -> Payload:
        """Fetch one round hour of all France; `hour` is aware."""
        if hour.tzinfo is None or hour != hour.replace(minute=0, second=0, microsecond=0):
            raise ValueError(f"{hour.isoformat()} is not a round hour with a time zone")
        text = hour.astimezone(UTC).strftime(endpoints.HOUR_TEXT)
        return await self._fetch(endpoints.FRANCE_HOUR, {endpoints.HOUR_PARAMETER: text}, format)

    async def _fetch_six_minutes(self, request: PacketRequest) -> Payload:
        """Fetch a station's 24 hours, or one hour of every station, time by time, as one packet."""
        if request.hour is None:
            params = {endpoints.STATION_PARAMETER: request.scope}
            payload = await self._fetch(endpoints.STATION_SIX_MINUTES, params, "csv")
            return replace(payload, body=keep_rows(payload.body, request.departments, request.hours))
        times = [instant.astimezone(UTC).strftime(endpoints.INSTANT_TEXT) for instant in instants_of(request.hour)]
        payloads = [
            await self._fetch(endpoints.FRANCE_SIX_MINUTES, {endpoints.HOUR_PARAMETER: time}, "csv") for time in times
        ]
        bodies = [keep_rows(payload.body, request.departments, stations=request.stations) for payload in payloads]
        return replace(payloads[-1], body=joined(bodies))

    async def _fetch(self, endpoint: str, params: dict[str, str], format: Format) -> Payload:
        """Try until an answer of 200 is complete, a refusal is final, or the tries are used up."""
        request = self._http.build_request("GET", endpoint, params={**params, endpoints.FORMAT_PARAMETER: format})
        url = _shown(request.url)
        started, tries = monotonic(), 0
        try:
            async for attempt in stamina.retry_context(
                on=_wait_before_retry,
                attempts=self._max_attempts,
                timeout=None,
                wait_initial=1.0,
                wait_max=30.0,
            ):
                with attempt:
                    tries = attempt.num
                    try:
                        body = await self._try(request, endpoint, tries)
                    except _Transient as failed:
                        logger.warning("try %d of %d of %s: %s", tries, self._max_attempts, url, failed)
                        raise
        except _Transient as last:
            seconds = monotonic() - started
            if last.quota:
                raise QuotaExceeded(tries, seconds) from last
            raise UpstreamDown(str(last), tries, seconds) from last
        seconds = monotonic() - started
        logger.info("fetched %s: %d bytes in %.2f s, try %d", url, len(body), seconds, tries)
        return Payload(
            body=body,
            format=format,
            fetched_at=datetime.now(UTC),
            endpoint=endpoint,
            url=url,
            seconds=seconds,
            attempts=tries,
        )

    async def _try(self, request: httpx.Request, endpoint: str, number: int) -> bytes:
        """One try: the body of a 200, or the error that says whether another try makes sense."""
        await self._pacer.take_turn()
        try:
            response, body = await send_bounded(self._http, request, self._whole_answer_seconds)
        except TRANSPORT_FAULTS as error:
            raise _Transient(f"{type(error).__name__} {error}".strip()) from error
        if response.status_code == 200:
            return body
        return self._refuse(response, body, endpoint, number)

    def _refuse(self, response: httpx.Response, body: bytes, endpoint: str, number: int) -> NoReturn:
        """Raise what an answer other than 200 means; upstream's words are shown without the token."""
        status = response.status_code
        location = response.headers.get("Location", "")
        for secret in self._auth.secrets:
            body, location = body.replace(secret.encode(), b"***"), location.replace(secret, "***")
        if status in TRANSIENT_STATUSES:
            wait = retry_after_seconds(response.headers.get("Retry-After"))
            if wait is None and status == 429:
                wait = _FIRST_QUOTA_WAIT * 2 ** (number - 1)
            raise _Transient(f"{status} {upstream_words(body)}".strip(), quota=status == 429, wait=wait)
        raise refusal(status, body, url=_shown(response.request.url), endpoint=endpoint, location=location)


def http_client(
    settings: IngestionSettings, base_url: str, auth: httpx.Auth, transport: httpx.AsyncBaseTransport | None
) -> httpx.AsyncClient:
    """Open a connection to one of Météo-France's APIs. Redirects are not followed: the token is for this address."""
    return httpx.AsyncClient(
        base_url=base_url,
        headers={"User-Agent": "girouette"},
        auth=auth,
        timeout=httpx.Timeout(settings.read_timeout_seconds, connect=settings.connect_timeout_seconds),
        follow_redirects=False,
        transport=transport,
        verify=tls(),
    )


def whole_answer_seconds(settings: IngestionSettings) -> float:
    return settings.read_timeout_seconds * _WHOLE_ANSWER


async def send_bounded(http: httpx.AsyncClient, request: httpx.Request, seconds: float) -> tuple[httpx.Response, bytes]:
    """Send a request and read its answer, which may be neither larger than a packet nor trickle for ever.

    Raises TRANSPORT_FAULTS, PayloadTooLarge.
    """
    async with asyncio.timeout(seconds):
        response = await http.send(request, stream=True)
        try:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > LARGEST_BODY:
                    raise PayloadTooLarge(LARGEST_BODY)
        finally:
            await response.aclose()
    return response, bytes(body)


def _wait_before_retry(error: Exception) -> bool | float:
    """Tell stamina: no retry, its own back-off, or the seconds upstream asked for and a little jitter."""
    if not isinstance(error, _Transient):
        return False
    if error.wait is None:
        return True
    return min(error.wait, _LONGEST_WAIT) + random.uniform(0, 1)  # noqa: S311 - spreads load, keeps no secret


def _shown(url: httpx.URL) -> str:
    return str(url.copy_with(userinfo=b""))

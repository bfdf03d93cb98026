"""How we talk to Prefect's server: asked again soon when its SQLite database was busy for a moment."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPMethod
from typing import Any

import httpx
from httpx_retries import Retry, RetryTransport

from ingestion.tls import tls

# Prefect answers 503 when two of its own writers met, and its client then waits 2 s before it asks again: one run in
# seven began 2 s late for it. The waits here come first, two seconds of them in all.
_SOON = Retry(
    total=7,
    allowed_methods=list(HTTPMethod),
    status_forcelist=[503],
    # Kept connections to a server that was replaced: each would cost a wait of Prefect's client, longer every time.
    retry_on_exceptions=[httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError],
    backoff_factor=0.03,
    max_backoff_wait=1,
)
# Shorter than our server keeps an idle connection.
_LIMITS = httpx.Limits(keepalive_expiry=25)


class ServerClock:
    """What time it is for Prefect's server, by its last answer: it lets no run begin before that is due.

    A server that is an hour behind would have each run wait for an hour, in its process and before all others.
    """

    # Less may be an answer that took long.
    same = timedelta(seconds=10)

    def __init__(self) -> None:
        self._behind = timedelta()
        self._heard = float("-inf")

    async def compare(self, answer: httpx.Response) -> None:
        """Note that an answer came, and take the time from its header."""
        if answer.is_success:
            self._heard = time.monotonic()
        if date := answer.headers.get("date"):
            self._behind = datetime.now(UTC) - parsedate_to_datetime(date)

    def was_heard_within(self, seconds: float) -> bool:
        """Whether the server has answered anything well so recently."""
        return time.monotonic() - self._heard < seconds

    def now(self) -> datetime:
        """Our time, unless the server's is clearly behind."""
        return datetime.now(UTC) - (self._behind if self._behind > self.same else timedelta())


server_clock = ServerClock()


def async_settings() -> dict[str, Any]:
    """Give the `httpx_settings` of an asynchronous Prefect client."""
    transport = httpx.AsyncHTTPTransport(retries=3, verify=tls(), limits=_LIMITS)
    hooks = {"response": [server_clock.compare]}
    return {"transport": RetryTransport(transport, retry=_SOON), "verify": tls(), "event_hooks": hooks}


def sync_settings() -> dict[str, Any]:
    """Give the `httpx_settings` of a synchronous Prefect client."""
    transport = httpx.HTTPTransport(retries=3, verify=tls(), limits=_LIMITS)
    return {"transport": RetryTransport(transport, retry=_SOON), "verify": tls()}

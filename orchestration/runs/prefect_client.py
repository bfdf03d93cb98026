"""HTTP settings of our Prefect clients: retry quickly when the server's SQLite database is busy."""

from http import HTTPMethod, HTTPStatus
from typing import Any

import httpx
from httpx_retries import Retry, RetryTransport

from ingestion.tls import tls
from orchestration.errors import ServerNotReady, ServerRefuses

# Prefect answers 503 when two of its own writers collide. Its client then waits 2 s before it retries, so retry
# here first, for two seconds in all.
_SOON = Retry(
    total=7,
    allowed_methods=list(HTTPMethod),
    status_forcelist=[503],
    # Idle connections to a replaced server: for each, Prefect's client would wait longer before its next retry.
    retry_on_exceptions=[httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError],
    backoff_factor=0.03,
    max_backoff_wait=1,
)
# Shorter than our server keeps an idle connection.
_LIMITS = httpx.Limits(keepalive_expiry=25)


def not_ready(url: str, error: Exception) -> ServerNotReady:
    """Say what a failed request to the server at `url` means."""
    if isinstance(error, httpx.HTTPStatusError) and error.response.status_code == HTTPStatus.UNAUTHORIZED:
        return ServerRefuses(url)
    return ServerNotReady(url, str(error) or type(error).__name__)


def async_settings() -> dict[str, Any]:
    """Return the `httpx_settings` of an asynchronous Prefect client."""
    transport = httpx.AsyncHTTPTransport(retries=3, verify=tls(), limits=_LIMITS)
    return {"transport": RetryTransport(transport, retry=_SOON), "verify": tls()}


def sync_settings() -> dict[str, Any]:
    """Return the `httpx_settings` of a synchronous Prefect client."""
    transport = httpx.HTTPTransport(retries=3, verify=tls(), limits=_LIMITS)
    return {"transport": RetryTransport(transport, retry=_SOON), "verify": tls()}

"""How we talk to Prefect's server: a request soon repeats when its SQLite database was busy for a moment."""

from http import HTTPMethod
from typing import Any

import httpx
from httpx_retries import Retry, RetryTransport

from ingestion.tls import tls

# Prefect answers 503 when two of its own writers met, and its client then waits 2 s before it asks again. The waits
# here come first, two seconds of them in all.
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


def async_settings() -> dict[str, Any]:
    """Give the `httpx_settings` of an asynchronous Prefect client."""
    transport = httpx.AsyncHTTPTransport(retries=3, verify=tls(), limits=_LIMITS)
    return {"transport": RetryTransport(transport, retry=_SOON), "verify": tls()}


def sync_settings() -> dict[str, Any]:
    """Give the `httpx_settings` of a synchronous Prefect client."""
    transport = httpx.HTTPTransport(retries=3, verify=tls(), limits=_LIMITS)
    return {"transport": RetryTransport(transport, retry=_SOON), "verify": tls()}

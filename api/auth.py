"""Who may change things: holders of an API key. Without any key configured: this machine's user only."""

import hashlib
import hmac
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from api import local_peer
from api.address import root_path
from api.errors import KeyMissing, NotFromHere
from api.rate_limit import limit_changes
from api.settings import get_settings

_LOOPBACK_NAMES = {"localhost", "127.0.0.1", "::1"}
_HASHED = "sha256:"

# What browsers, curl and HTTP libraries send by themselves, and what this service takes. A header outside this list may
# be a proxy's (`Via`, `X-Forwarded-*`, `CF-Connecting-IP`, …), which speaks for somebody else.
_DIRECT_HEADERS = frozenset(
    """
accept accept-charset accept-encoding accept-language authorization cache-control connection content-encoding
content-length content-type cookie dnt expect host idempotency-key if-match if-modified-since if-none-match if-range
if-unmodified-since keep-alive last-event-id origin pragma priority range referer te transfer-encoding
upgrade-insecure-requests user-agent x-api-key x-request-id x-requested-with
""".split()  # noqa: SIM905 - one name a line would be 35 lines
)
_DIRECT_PREFIX = "sec-"  # only browsers can set these

_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="One of the service's API_KEYS.")
_bearer = HTTPBearer(auto_error=False, description="One of the service's API_KEYS.")


async def require_key(
    request: Request,
    _: Annotated[None, Depends(limit_changes)],
    header: Annotated[str | None, Security(_header)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> None:
    """Let the request change things, or raise TooManyRequests, KeyMissing or NotFromHere."""
    settings = get_settings()
    if not settings.api_keys:
        check_is_local(request)
        return
    given = header or (bearer.credentials if bearer else None)
    if given is None:
        raise KeyMissing("this changes something, and no API key was sent")
    if not is_known_key(given, settings.api_keys):
        raise KeyMissing("this API key is not one of the service's")


def is_known_key(given: str, keys: tuple[SecretStr, ...]) -> bool:
    """Whether the key is one of ours; takes the same time whichever it is, or none."""
    digest = hashlib.sha256(given.encode()).hexdigest()
    matches = [hmac.compare_digest(digest, _digest(key.get_secret_value())) for key in keys]
    return any(matches)


def check_is_local(request: Request) -> None:
    """Raise NotFromHere unless a program of this machine's user sent the request, and no web page made it do so.

    A proxy on this machine also connects from loopback. Its user differs (nginx's workers are `www-data`), or it
    speaks HTTP/1.0, or it adds headers. One that does none of these needs API_KEYS.
    """
    if root_path():
        raise NotFromHere("the service is shown by a proxy (ROOT_PATH)", is_proxied=True)
    client, server = request.client, request.scope.get("server")
    if client is None or server is None or not local_peer.is_loopback(client.host):
        raise NotFromHere("the request comes from another machine")
    odd = next((name for name in request.headers if not _is_direct(name)), None)
    if odd is not None:
        raise NotFromHere(f"the header `{odd[:40]}` may be a proxy's, which speaks for others")
    if request.scope["http_version"] == "1.0":
        raise NotFromHere("the request is HTTP/1.0, as proxies send it")
    # A page can reach 127.0.0.1 under a name of its own (DNS rebinding): the Host header tells.
    host = _hostname(f"//{request.headers.get('host', '')}")
    if host not in _LOOPBACK_NAMES:
        raise NotFromHere("the Host header does not name this machine")
    origin = request.headers.get("origin")
    is_cross_site = request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
    if is_cross_site or (origin is not None and urlsplit(origin).netloc != request.headers.get("host")):
        raise NotFromHere("the request comes from another site's page")
    if local_peer.belongs_to_us((client.host, client.port), server) is False:
        raise NotFromHere("another user's program sent the request")


def _is_direct(name: str) -> bool:
    return name in _DIRECT_HEADERS or name.startswith(_DIRECT_PREFIX)


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _digest(key: str) -> str:
    return key.removeprefix(_HASHED).lower() if key.startswith(_HASHED) else hashlib.sha256(key.encode()).hexdigest()

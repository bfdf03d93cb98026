"""Who may change things: holders of an API key; without any key configured, this machine only."""

import hashlib
import hmac
import ipaddress
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from api.errors import KeyMissing, NotFromHere
from api.settings import get_settings

_LOOPBACK_NAMES = {"localhost", "127.0.0.1", "::1"}
_PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-real-ip")
_HASHED = "sha256:"

_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="One of the service's API_KEYS.")
_bearer = HTTPBearer(auto_error=False, description="One of the service's API_KEYS.")


async def require_key(
    request: Request,
    header: Annotated[str | None, Security(_header)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> None:
    """Let the request change things, or raise KeyMissing or NotFromHere."""
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
    """Raise NotFromHere unless a program on this machine sent the request, and no web page made it do so."""
    if not is_loopback(request.client.host if request.client else ""):
        raise NotFromHere("the request comes from another machine")
    if any(name in request.headers for name in _PROXY_HEADERS):
        raise NotFromHere("the request came through a proxy")
    # A page can reach 127.0.0.1 under a name of its own (DNS rebinding): the Host header tells.
    host = _hostname(f"//{request.headers.get('host', '')}")
    if host not in _LOOPBACK_NAMES:
        raise NotFromHere("the Host header does not name this machine")
    origin = request.headers.get("origin")
    is_cross_site = request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
    if is_cross_site or (origin is not None and urlsplit(origin).netloc != request.headers.get("host")):
        raise NotFromHere("the request comes from another site's page")


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _digest(key: str) -> str:
    return key.removeprefix(_HASHED).lower() if key.startswith(_HASHED) else hashlib.sha256(key.encode()).hexdigest()

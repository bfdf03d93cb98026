"""How a request says who asks: an API key, a bearer token given, or bearer tokens made from an application id."""

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncGenerator, Generator
from datetime import UTC, datetime, timedelta

import httpx
from pydantic import SecretStr

from ingestion.errors import PORTAL, ApplicationRefused, TokenMissing, TokenRefused
from ingestion.settings import IngestionSettings

# The in-process demo source asks for a token as the real one does; any will do.
DEMO_TOKEN = "demo"  # noqa: S105 - opens nothing

_SOON = timedelta(days=14)


class Token(httpx.Auth):
    """A token that stays the same, in the header METEOFRANCE_AUTH asks for."""

    def __init__(self, token: str, kind: str) -> None:
        self.secrets = (token,)
        self._name, self._value = ("Authorization", f"Bearer {token}") if kind == "bearer" else ("apikey", token)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers[self._name] = self._value
        yield request


class Application(httpx.Auth):
    """Bearer tokens from an application id: asked for when the first is needed, and again when one is refused.

    Source: Météo-France's portal, "OAuth2": POST /token with `grant_type=client_credentials`; a token lasts an hour.
    """

    def __init__(self, application_id: str, token_url: str) -> None:
        self._application_id, self._token_url = application_id, token_url
        self._token = ""
        self._asking = asyncio.Lock()  # packets fetched at once share one token

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(filter(None, (self._application_id, self._token)))

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send the request with a token, and once more with a new one when it is refused."""
        for _ in range(2):
            refused = request.headers.get("Authorization", "")
            async with self._asking:
                if not self._token or refused == f"Bearer {self._token}":
                    answer = yield self._ask(request)
                    await answer.aread()
                    self._token = _token_of(answer)
                request.headers["Authorization"] = f"Bearer {self._token}"
            response = yield request
            if response.status_code != httpx.codes.UNAUTHORIZED:
                return

    def _ask(self, request: httpx.Request) -> httpx.Request:
        return httpx.Request(
            "POST",
            self._token_url,
            data={"grant_type": "client_credentials"},
            headers={"Authorization": f"Basic {self._application_id}"},
            extensions=request.extensions,  # its timeouts
        )


def _token_of(answer: httpx.Response) -> str:
    if answer.status_code in (400, 401, 403):
        raise ApplicationRefused(answer.status_code)
    try:
        token = answer.raise_for_status().json()["access_token"]
    except (httpx.HTTPStatusError, ValueError, KeyError, TypeError) as error:
        raise httpx.RemoteProtocolError(f"no token came from {answer.url} ({answer.status_code})") from error
    return _checked(token, "the token that came")


def auth_of(settings: IngestionSettings, *, is_in_process: bool) -> Token | Application:
    """Give what signs the requests; a token that cannot be a header is refused here, as httpx would print it."""
    if settings.meteofrance_token is not None:
        token = _checked(settings.meteofrance_token.get_secret_value(), "METEOFRANCE_TOKEN")
        return Token(token, settings.meteofrance_auth)
    if settings.meteofrance_application_id is not None and not is_in_process:
        secret = settings.meteofrance_application_id.get_secret_value()
        return Application(_checked(secret, "METEOFRANCE_APPLICATION_ID"), str(settings.meteofrance_token_url))
    if is_in_process and settings.source == "demo":
        return Token(DEMO_TOKEN, "apikey")
    raise TokenMissing


def _checked(text: object, name: str) -> str:
    token = text.strip() if isinstance(text, str) else ""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise TokenRefused(f"{name} is empty or holds spaces or signs that no token has")
    return token


def expires_at(token: SecretStr | None) -> datetime | None:
    """When an API key of the portal ends: it is a JWT, whose `exp` says so. None for any other token."""
    parts = token.get_secret_value().strip().split(".") if token else []
    if len(parts) != 3:
        return None
    try:
        return datetime.fromtimestamp(json.loads(base64.urlsafe_b64decode(f"{parts[1]}=="))["exp"], UTC)
    except (binascii.Error, ValueError, KeyError, TypeError, OverflowError, OSError):
        return None


def say_if_ending(settings: IngestionSettings, now: datetime | None = None) -> str | None:
    """Tell of an API key that has ended, or ends within two weeks."""
    end = expires_at(settings.meteofrance_token)
    now = now or datetime.now(UTC)
    if end is None or end - now > _SOON:
        return None
    when = f"ended on {end:%Y-%m-%d}" if end <= now else f"ends on {end:%Y-%m-%d}"
    return f"METEOFRANCE_TOKEN {when}: make a new one on {PORTAL}, or set METEOFRANCE_APPLICATION_ID once for all"

"""Who may change something: holders of a key of `API_KEYS`; without any key, this machine only."""

import os
import secrets
from typing import Annotated

from fastapi import Header, Request

from api.errors import ApiProblem

_LOOPBACK = ("127.0.0.1", "::1", "testclient")


def require_key(
    request: Request,
    x_api_key: Annotated[str | None, Header()] = None,
    authorization: Annotated[str | None, Header()] = None,
) -> None:
    """Let a request through that carries a known key, or comes from this machine when no key is set."""
    keys = [key.strip() for key in os.environ.get("API_KEYS", "").split(",") if key.strip()]
    given = x_api_key or (authorization or "").removeprefix("Bearer ").strip()
    if not keys:
        if request.client is not None and request.client.host in _LOOPBACK:
            return
        raise _refusal(403, "changes are accepted from this machine only while no API key is configured")
    if not any(secrets.compare_digest(given.encode(), key.encode()) for key in keys):
        raise _refusal(401, "this address needs an API key")


def _refusal(status: int, detail: str) -> ApiProblem:
    return ApiProblem(
        status,
        "Not allowed",
        detail,
        type="/problems/key-needed",
        field="X-API-Key",
        next_step="send X-API-Key or Authorization: Bearer with a key of API_KEYS",
    )

"""Rate limits per client, counted in this process."""

import time
from functools import lru_cache

from fastapi import FastAPI, Request
from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from api.caller import caller_of
from api.errors import TooManyRequests
from api.local_peer import is_loopback
from api.settings import get_settings


async def limit_requests(request: Request) -> None:
    """Count a request, unless it comes from this machine; raise TooManyRequests above the limit."""
    # A proxy may pass on this machine's address as any caller's.
    is_proxied = "x-forwarded-for" in request.headers
    if is_proxied or request.client is None or not is_loopback(request.client.host):
        _count(request, "requests", get_settings().rate_limit_reads)


async def limit_changes(request: Request) -> None:
    """Count a request to change something; raise TooManyRequests above the limit.

    Addresses that change something ask for this, whatever their method: SQL sent by POST is a read.
    """
    _count(request, "changes", get_settings().rate_limit_changes)


def _count(request: Request, kind: str, limit: str) -> None:
    client = caller_of(request)
    limiter = _limiter_of(request.app)
    for item in _items(limit):
        if not limiter.hit(item, kind, client):
            wait = limiter.get_window_stats(item, kind, client).reset_time - time.time()
            raise TooManyRequests(f"more than {item} {kind} from {client}", max(1, round(wait)))


def _limiter_of(app: FastAPI) -> MovingWindowRateLimiter:
    # Made at the first count: it starts a thread, and the forkserver must be forked before there are any.
    if not hasattr(app.state, "limiter"):
        app.state.limiter = MovingWindowRateLimiter(MemoryStorage())
    limiter: MovingWindowRateLimiter = app.state.limiter
    return limiter


@lru_cache(maxsize=8)
def _items(text: str) -> list[RateLimitItem]:
    return parse_many(text)

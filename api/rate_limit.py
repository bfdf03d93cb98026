"""How often one client may ask, counted in this process."""

import time
from functools import lru_cache

from fastapi import FastAPI, Request
from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from api.auth import is_loopback
from api.errors import TooManyRequests
from api.settings import get_settings

_READS = ("GET", "HEAD", "OPTIONS")


async def limit_rate(request: Request) -> None:
    """Count the request; raise TooManyRequests when the client has used up its limit."""
    client = request.client.host if request.client else "unknown"
    is_read = request.method in _READS
    if is_read and is_loopback(client):
        return
    settings = get_settings()
    kind, text = ("reads", settings.rate_limit_reads) if is_read else ("changes", settings.rate_limit_changes)
    limiter = _limiter_of(request.app)
    for item in _items(text):
        if not limiter.hit(item, kind, client):
            wait = limiter.get_window_stats(item, kind, client).reset_time - time.time()
            raise TooManyRequests(f"more than {item} {kind} from {client}", max(1, round(wait)))


def _limiter_of(app: FastAPI) -> MovingWindowRateLimiter:
    # Made for the first who is counted: it starts a thread, and a service forks its forkserver before it has any.
    if not hasattr(app.state, "limiter"):
        app.state.limiter = MovingWindowRateLimiter(MemoryStorage())
    limiter: MovingWindowRateLimiter = app.state.limiter
    return limiter


@lru_cache(maxsize=8)
def _items(text: str) -> list[RateLimitItem]:
    return parse_many(text)

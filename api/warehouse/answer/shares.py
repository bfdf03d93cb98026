"""How many of the places for reads, or of the SQL processes, one caller may hold, so that others find one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from api.warehouse.problems import Busy


class Shares:
    """A caller's share: all of the places but one, and at least one."""

    def __init__(self, places: int, queue_seconds: float) -> None:
        self._each = max(1, places - 1)
        self._queue_seconds = queue_seconds
        self._callers: dict[str, tuple[anyio.Semaphore, list[None]]] = {}

    @asynccontextmanager
    async def place(self, caller: str) -> AsyncIterator[None]:
        """Hold a place of the caller's own; raises Busy when none of them becomes free."""
        places, users = self._callers.setdefault(caller, (anyio.Semaphore(self._each), []))
        users.append(None)
        try:
            with anyio.move_on_after(self._queue_seconds) as waiting:
                await places.acquire()
            if waiting.cancelled_caught:
                raise Busy(self._queue_seconds)
            try:
                yield
            finally:
                places.release()
        finally:
            users.pop()
            if not users:
                del self._callers[caller]

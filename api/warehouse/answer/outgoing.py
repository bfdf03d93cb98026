"""How many bytes of answers are held in memory while their readers take them."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from api.warehouse.problems import TooMuchUnread

_MOST = 256 * 2**20
_SMALL = 2**20  # a thousand of these are a gigabyte, and the system's limit of open files comes before
TABLE_BYTES = 32 * 2**20  # what a table that is streamed from DuckDB is taken to hold


class Outgoing:
    """Counts large answers from their making until they are sent. One caller may hold half of the room.

    A reader that takes a little each minute never stalls, so only counting bounds what many of them hold.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._held: Counter[str] = Counter()

    @contextmanager
    def hold(self, caller: str, size: int) -> Iterator[None]:
        """Count an answer while it is sent; raises TooMuchUnread when there is no room for a large one."""
        size = size if size > _SMALL else 0
        held = self._held[caller]
        if size and held and (held + size > self._most // 2 or self._held.total() + size > self._most):
            raise TooMuchUnread(held)
        self._held[caller] += size
        try:
            yield
        finally:
            self._held[caller] -= size
            if not self._held[caller]:
                del self._held[caller]

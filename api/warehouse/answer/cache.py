"""Encoded answers, kept within a bound of bytes. A snapshot never changes, so neither does an answer from it."""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

RawHeaders = list[tuple[bytes, bytes]]
Key = tuple[bytes, bytes, bytes, bytes]  # path, query string, Accept, Accept-Encoding: as they came


@dataclass(frozen=True)
class Encoded:
    """One answer, ready to send."""

    snapshot_id: str
    is_pinned: bool  # the request names its snapshot: it stays right while the snapshot is kept
    etag: str
    headers: RawHeaders
    body: bytes

    @property
    def size(self) -> int:
        """Bytes it takes, roughly."""
        return len(self.body) + sum(len(name) + len(value) + 100 for name, value in self.headers) + 500


class AnswerCache:
    """The answers used last, within `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._kept: OrderedDict[Key, Encoded] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Key) -> Encoded | None:
        """Find an answer."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: Key, answer: Encoded) -> None:
        """Keep an answer, and let go of those unused longest; one that would take an eighth of the room is not kept."""
        if answer.size > self.limit // 8:
            return
        with self._lock:
            self._forget(key)
            self._kept[key] = answer
            self.used += self._cost(key, answer)
            while self.used > self.limit:
                self._forget(next(iter(self._kept)))

    def forget(self, key: Key) -> None:
        """Let go of one answer."""
        with self._lock:
            self._forget(key)

    def _forget(self, key: Key) -> None:
        gone = self._kept.pop(key, None)
        if gone is not None:
            self.used -= self._cost(key, gone)

    @staticmethod
    def _cost(key: Key, answer: Encoded) -> int:
        return answer.size + sum(len(part) for part in key)

"""Encoded answers in memory. A snapshot never changes, so an answer from it stays right."""

from dataclasses import dataclass
from threading import Lock

from cachetools import LRUCache
from fastapi import Response
from starlette.datastructures import Headers

from api.warehouse.answer.etags import is_unchanged, not_modified
from api.warehouse.answer.ranges import Whole

RawHeaders = list[tuple[bytes, bytes]]
Key = tuple[str, bytes, str, str]  # path, query string, Accept, Accept-Encoding


@dataclass(frozen=True)
class Encoded:
    """One answer, ready to send."""

    key: Key
    snapshot_id: str
    is_pinned: bool  # the request names its snapshot: the answer stays right while that snapshot is kept
    etag: str
    headers: RawHeaders
    body: bytes

    @property
    def size(self) -> int:
        """Roughly how many bytes it takes in memory."""
        headers = sum(len(name) + len(value) + 100 for name, value in self.headers)
        return len(self.body) + headers + sum(len(part) for part in self.key) + 500

    def respond(self, request_headers: Headers) -> Response:
        """Give it as it is, or 304 to who has it."""
        if is_unchanged(request_headers, self.etag):
            return not_modified(Headers(raw=self.headers))
        response = Whole(self.body)
        response.raw_headers = self.headers
        return response


class AnswerCache:
    """The answers used last, within `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._kept: LRUCache[Key, Encoded] = LRUCache(limit, getsizeof=lambda answer: answer.size)
        self._lock = Lock()  # cachetools leaves locking to its callers

    @property
    def used(self) -> int:
        """Bytes in use."""
        return int(self._kept.currsize)

    def get(self, key: Key) -> Encoded | None:
        """Find an answer, and count it as used."""
        with self._lock:
            return self._kept.get(key)

    def put(self, answer: Encoded) -> None:
        """Keep an answer, unless it would take more than an eighth of the room."""
        if answer.size <= self.limit // 8:
            with self._lock:
                self._kept[answer.key] = answer

    def forget(self, key: Key) -> None:
        """Drop one answer."""
        with self._lock:
            self._kept.pop(key, None)

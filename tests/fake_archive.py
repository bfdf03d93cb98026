"""An open archive in memory, with a listing and files that a test puts there."""

import gzip
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx

from ingestion.archive.listing import LISTING


class FakeArchive(httpx.AsyncBaseTransport):
    """data.gouv.fr's listing in pages of two, and a store of files that knows Range and can break off."""

    def __init__(self, piece: int = 1 << 20, on_piece: Callable[[], None] = lambda: None) -> None:
        self._piece, self._on_piece = piece, on_piece
        self.files: dict[str, tuple[bytes, str]] = {}  # by name: content and last_modified
        self.asked: list[tuple[str, str | None]] = []
        self.break_off_at: int | None = None
        self.status = 200
        self.size: int | None = None  # of each file, as the listing says it
        self.is_down_afterwards = self.is_down = False

    def put(self, name: str, body: bytes, modified: str) -> None:
        self.files[name] = (gzip.compress(body, mtime=0), modified)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        if not name:
            return httpx.Response(self.status, json=self._page(int(request.url.params["page"])))
        wanted = request.headers.get("range")
        if self.is_down:
            return httpx.Response(503)
        self.asked.append((name, wanted))
        body, etag = self.files[name][0], f'"{len(self.files[name][0])}"'
        if wanted and request.headers["if-range"] == etag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            return httpx.Response(206, stream=self._body(body[start:]), headers={"ETag": etag})
        if self.break_off_at is not None:
            cut, self.break_off_at = body[: self.break_off_at], None
            self.is_down = self.is_down_afterwards
            return httpx.Response(200, stream=self._body(cut, breaks_off=True), headers={"ETag": etag})
        return httpx.Response(200, stream=self._body(body), headers={"ETag": etag})

    def _body(self, content: bytes, *, breaks_off: bool = False) -> "_Body":
        return _Body(content, self._piece, self._on_piece, breaks_off=breaks_off)

    def _page(self, number: int) -> dict[str, Any]:
        told = [
            {
                "id": f"id-{name}",
                "url": f"https://files.test/some/{name}",
                "last_modified": modified,
                "filesize": self.size,
            }
            for name, (_, modified) in sorted(self.files.items())
        ]
        following = f"{LISTING}?page={number + 1}" if len(told) > 2 * number else None
        return {"data": told[2 * number - 2 : 2 * number], "next_page": following}


class _Body(httpx.AsyncByteStream):
    def __init__(self, content: bytes, piece: int, on_piece: Callable[[], None], *, breaks_off: bool) -> None:
        self.content, self.piece, self.on_piece, self.breaks_off = content, piece, on_piece, breaks_off

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.content), self.piece):
            self.on_piece()
            yield self.content[start : start + self.piece]
        if self.breaks_off:
            raise httpx.ReadError("connection reset")

"""Sends a part of an answer to programs that read files over HTTP in parts, as polars and DuckDB do (RFC 9110, 14)."""

from fastapi import Response
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send
from werkzeug.http import parse_range_header

from api.warehouse.answer.headers import read_header


class Whole(Response):
    """An answer in memory. It is sent in part if one range of it is asked for."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the range asked for, or the whole."""
        is_asked = scope["method"] == "GET" and "accept-ranges" in self.headers
        part = self._part(Headers(scope=scope)) if is_asked else None
        if part is None:
            await super().__call__(scope, receive, send)
            return
        body = bytes(self.body)[part]
        answer = Response(body, status_code=206)
        answer.raw_headers = [(name, value) for name, value in self.raw_headers if name != b"content-length"]
        answer.headers["Content-Length"] = str(len(body))
        answer.headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{len(self.body)}"
        await answer(scope, receive, send)

    def _part(self, headers: Headers) -> slice | None:
        """Give the range asked for. None is the whole: no range, several, one outside it, or one of another answer."""
        asked = parse_range_header(read_header(headers, "range"))
        if asked is None or asked.units != "bytes" or len(asked.ranges) != 1:
            return None
        if headers.get("if-range", self.headers["etag"]) != self.headers["etag"]:
            return None
        size = len(self.body)
        start, end = asked.ranges[0]
        part = slice(max(start + size, 0) if start < 0 else start, min(end or size, size))
        return part if part.start < part.stop else None

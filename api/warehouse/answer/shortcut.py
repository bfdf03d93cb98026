"""Sends answers that are already encoded, before any routing, and answers HEAD as GET without its body."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.warehouse.answer.cache import Encoded
from api.warehouse.answer.etags import is_unchanged, not_modified
from api.warehouse.answer.headers import read_header
from api.warehouse.answer.reads import Reads

_PREFIXES = ("/warehouse", "/quality")


class ReadShortcut:
    """ASGI middleware of the read addresses, and the one place that asks the answer cache."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from the cache, or pass the request on."""
        if scope["type"] != "http" or not scope["path"].startswith(_PREFIXES) or scope["method"] == "POST":
            await self.app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
            send = _without_body(send)
        reads: Reads | None = getattr(scope["app"].state, "warehouse", None)
        if reads is None or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        accept, encoding = read_header(headers, "accept"), read_header(headers, "accept-encoding")
        key = (scope["path"], scope["query_string"], accept, encoding)
        if (found := await reads.find(key)) is not None:
            await _send(found, headers, scope, receive, send)
            return
        with reads.computing(key):
            scope.setdefault("state", {})["read_key"] = key
            await self.app(scope, receive, send)


async def _send(answer: Encoded, request_headers: Headers, scope: Scope, receive: Receive, send: Send) -> None:
    if is_unchanged(request_headers, answer.etag):
        await not_modified(Headers(raw=answer.headers))(scope, receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body})


def _without_body(send: Send) -> Send:
    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head

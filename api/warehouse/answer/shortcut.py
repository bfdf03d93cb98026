"""The short way of a read: HEAD as GET without its body, and answers already encoded sent before any routing."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.warehouse.answer.cache import Encoded, Key
from api.warehouse.answer.reads import Reads, matches

_PREFIXES = ("/warehouse", "/quality")


class ReadShortcut:
    """ASGI middleware of the read addresses. A cached answer costs one look at the pointer and one in the cache."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from the cache, or pass on."""
        if scope["type"] != "http" or not scope["path"].startswith(_PREFIXES) or scope["method"] == "POST":
            await self.app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
            send = _without_body(send)
        reads: Reads | None = getattr(scope["app"].state, "warehouse", None)
        if reads is not None and scope["method"] == "GET":
            key, if_none_match = _key_of(scope)
            if (found := reads.find(key)) is not None:
                await _send(found, if_none_match, send)
                return
            scope.setdefault("state", {})["read_key"] = key
        await self.app(scope, receive, send)


def _key_of(scope: Scope) -> tuple[Key, bytes]:
    accept = encoding = if_none_match = b""
    for name, value in scope["headers"]:
        if name == b"accept":
            accept = value
        elif name == b"accept-encoding":
            encoding = value
        elif name == b"if-none-match":
            if_none_match = value
    return (scope["path"].encode(), scope["query_string"], accept, encoding), if_none_match


async def _send(answer: Encoded, if_none_match: bytes, send: Send) -> None:
    if if_none_match and matches(if_none_match, answer.etag):
        headers = [(name, value) for name, value in answer.headers if name not in (b"content-length", b"content-type")]
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return
    await send({"type": "http.response.start", "status": 200, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body})


def _without_body(send: Send) -> Send:
    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head

"""Sends answers that are already encoded, before any routing, and answers HEAD as GET without its body."""

from contextlib import ExitStack

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.caller import caller_of
from api.errors import problem_response
from api.warehouse.answer.headers import read_header
from api.warehouse.answer.reads import Reads
from api.warehouse.problems import TooMuchUnread

_READS = ("/warehouse", "/quality", "/climate", "/archive")
_HAVE_HEAD = (*_READS, "/health")  # monitors ask for the head alone; they are no readers


class ReadShortcut:
    """ASGI middleware of the read addresses. What a read enters in `state.held` is left when its answer is sent."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from the cache, or pass the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with ExitStack() as held:
            scope.setdefault("state", {})["held"] = held
            answer = self._answer if scope["path"].startswith(_HAVE_HEAD) else self.app
            await answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD":
            # A range is of GET only (RFC 9110, 14.2).
            asked = [(name, value) for name, value in scope["headers"] if name != b"range"]
            scope = {**scope, "method": "GET", "headers": asked}
            send = _without_body(send)
        reads: Reads | None = getattr(scope["app"].state, "warehouse", None)
        if reads is None or scope["method"] != "GET" or not scope["path"].startswith(_READS):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        accept, encoding = read_header(headers, "accept"), read_header(headers, "accept-encoding")
        key = (scope["path"], scope["query_string"], accept, encoding)
        if (found := await reads.find(key)) is None:
            scope["state"]["read_key"] = key
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        caller, size = caller_of(request), len(found.body)
        try:
            with reads.outgoing.hold(caller, size):
                await found.respond(headers)(scope, receive, send)
        except TooMuchUnread as problem:
            await problem_response(request, problem)(scope, receive, send)


def _without_body(send: Send) -> Send:
    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head

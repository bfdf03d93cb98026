"""How much of a request is taken, and how long a caller may keep an answer waiting."""

import asyncio

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.settings import get_settings

# Bodies are sent in pieces of this size: before each, the server waits until the reader has taken the one before.
_PIECE = 64 * 2**10


class Limits:
    """ASGI application around ours: bodies have a largest size, and no caller holds an answer for ever.

    A reader that takes nothing for STALL_SECONDS ends its request, which frees its snapshot and its place. At most one
    piece stays in the connection's buffer; `api.__main__` has the kernel end the connection itself.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request within its limits."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        settings = get_settings()
        taken, is_whole, is_stalled = 0, False, False

        async def receive_within() -> Message:
            nonlocal taken, is_whole
            if is_whole:  # only the end of the connection can follow, after any time
                return await receive()
            try:
                async with asyncio.timeout(settings.stall_seconds):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, f"no more of the body came for {settings.stall_seconds:g} s") from None
            taken += len(message.get("body", b""))
            if taken > settings.body_kb * 1024:
                raise HTTPException(413, f"the body is larger than {settings.body_kb} kB")
            is_whole = not message.get("more_body", False)
            return message

        async def send_within(message: Message) -> None:
            nonlocal is_stalled
            body, has_more = message.get("body", b""), message.get("more_body", False)
            if not has_more and len(body) <= _PIECE:  # the connection's buffer takes it: no wait for the reader
                await send(message)
                return
            try:
                for start in range(0, max(len(body), 1), _PIECE):
                    end = start + _PIECE
                    piece = {**message, "body": body[start:end], "more_body": has_more or end < len(body)}
                    async with asyncio.timeout(settings.stall_seconds):
                        await send(piece)
            except TimeoutError:
                is_stalled = True
                raise ConnectionAbortedError("the reader took nothing for too long") from None

        try:
            await self.app(scope, receive_within, send_within)
        except Exception:
            if not is_stalled:  # else nobody is left to tell
                raise

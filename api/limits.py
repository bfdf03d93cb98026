"""How much of a request is taken, and how long a reader may keep an answer waiting."""

import asyncio
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.settings import get_settings

# Smaller answers fit into the connection's own buffer: sending them never waits for the reader.
_FITS_BUFFER = 64 * 2**10


class Limits:
    """ASGI application around ours, next to the server: bodies have a largest size, and nobody stands still for ever.

    A reader that takes nothing for STALL_SECONDS loses its connection: it would hold its snapshot, a place among the
    readers and a part of the answer in memory for as long as it likes.
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
            if is_whole:  # what comes now is the end of the connection, whenever that is
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
            if not message.get("more_body") and len(message.get("body", b"")) <= _FITS_BUFFER:
                await send(message)
                return
            try:
                async with asyncio.timeout(settings.stall_seconds):
                    await send(message)
            except TimeoutError:
                is_stalled = True
                _cut_off(send)
                raise ConnectionAbortedError("the reader took nothing for too long") from None

        try:
            await self.app(scope, receive_within, send_within)
        except Exception:
            if not is_stalled:  # else nobody is left to tell
                raise


def _cut_off(send: Send) -> None:
    """Drop the connection with what is still in its buffer; closing it in order would wait for the reader."""
    transport: Any = getattr(getattr(send, "__self__", None), "transport", None)  # uvicorn's own
    if transport is not None:
        transport.abort()

"""How often uvicorn looks up from its requests: ten times a second by itself, a third of a service at rest."""

import asyncio
from collections.abc import Callable
from typing import Any

import uvicorn

_SECONDS = 1.0  # how old the date of an answer is at most


class _Exit:
    """`Server.should_exit`, which wakes the server that it tells to end."""

    def __get__(self, server: uvicorn.Server, _: type | None = None) -> bool:
        return bool(server.__dict__["should_exit"])

    def __set__(self, server: uvicorn.Server, is_so: bool) -> None:
        wake: Callable[[], Any] = server.__dict__.get("_wake", lambda: None)
        server.__dict__["should_exit"] = is_so
        wake()


async def _main_loop(self: uvicorn.Server) -> None:
    loop = asyncio.get_running_loop()

    def wake() -> None:
        if not woken.done():
            woken.set_result(None)

    # Mostly from a signal's handler, which the loop does not notice by itself.
    self.__dict__["_wake"] = lambda: loop.call_soon_threadsafe(wake)
    try:
        woken = loop.create_future()
        while not await self.on_tick(0):  # 0: the date is renewed
            loop.call_later(_SECONDS, wake)
            await woken
            woken = loop.create_future()
    finally:
        del self.__dict__["_wake"]  # the loop may be closed before the server is told again


def tick_less_often() -> None:
    """Let every server of this process look once a second at its clock, and end at once when it is told to."""
    uvicorn.Server.should_exit = _Exit()  # type: ignore[assignment]
    uvicorn.Server.main_loop = _main_loop  # type: ignore[method-assign]

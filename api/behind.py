"""Answers of a host that is behind its shelf say so, in a header: bodies and ETags are the same on every host."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class TellsBehind:
    """Adds `X-Snapshot-Behind`, the snapshot that other hosts serve already, to answers from an older one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; add the header while this host is behind."""
        service = getattr(scope["app"].state, "service", None) if scope["type"] == "http" else None
        if service is None or service.following is None or service.following.ahead is None:
            await self._app(scope, receive, send)
            return
        ahead = service.following.ahead

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if "x-snapshot-id" in headers:
                    headers["X-Snapshot-Behind"] = ahead
            await send(message)

        await self._app(scope, receive, tell)

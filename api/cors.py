"""Lets pages of other origins read, where CORS_ORIGINS names them: a notebook, a dashboard. Never change anything."""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

_QUERY = "/warehouse/query"  # SQL by POST is a read
_SENT = ("Accept", "Content-Type", "If-None-Match", "If-Range", "Last-Event-ID", "Range", "X-Request-ID")
_SHOWN = (
    *("Accept-Ranges", "Content-Disposition", "Content-Range", "ETag", "Link", "Retry-After"),
    *("X-Attribution", "X-Newest-Observation", "X-Next-Cursor", "X-Request-ID", "X-Row-Count", "X-Run-Id"),
    *("X-Snapshot-Id", "X-Snapshot-Published-At", "X-Source"),
)


class CorsForReads:
    """Starlette's CORS around reads alone, without cookies or other credentials."""

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        self._app = app
        self._reads, self._query = (
            CORSMiddleware(
                app,
                allow_origins=origins,
                allow_methods=methods,
                allow_headers=_SENT,
                expose_headers=_SHOWN,
            )
            for methods in (("GET", "HEAD"), ("GET", "HEAD", "POST"))
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight, or mark the answer of a read as open to the origin."""
        app = self._app
        if scope["type"] == "http":
            if scope["path"] == _QUERY:
                app = self._query
            elif scope["method"] in ("GET", "HEAD", "OPTIONS"):
                app = self._reads
        await app(scope, receive, send)

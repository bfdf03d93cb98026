"""Behind a proxy that shows the service under a path: requests come with or without it."""

from starlette.types import ASGIApp, Receive, Scope, Send


class WithoutPrefix:
    """Takes the path prefix off each request, so that nothing inside needs to know of it."""

    def __init__(self, app: ASGIApp, root: str) -> None:
        self.app, self.root = app, root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request as if it had come to the root."""
        if scope["type"] == "http":
            root = self.root
            # A proxy may pass the prefix on, and uvicorn's --root-path puts it before the path once more.
            scope = {**scope, "root_path": ""}
            while scope["path"] == root or scope["path"].startswith(f"{root}/"):
                scope["path"] = scope["path"][len(root) :] or "/"
                if (raw := scope.get("raw_path")) and raw.startswith(root.encode()):
                    scope["raw_path"] = raw[len(root) :] or b"/"
        await self.app(scope, receive, send)

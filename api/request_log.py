"""Logs: one line per request with its id, for people on a terminal and JSON elsewhere."""

import logging
import re
import sys
import time
import uuid
from http import HTTPStatus
from urllib.parse import quote

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import unexpected_problem
from api.metrics import count_request
from api.settings import ApiSettings

log = logging.getLogger("girouette.request")

# Open pages ask for this every few seconds: a line each would hide the others.
_ASKED_OFTEN = "/page/state"

_LONGEST_ADDRESS = 45  # letters of an IPv6 address; a proxy may pass on any text
_SAFE_ID = re.compile(r"[\w.:-]{1,100}", re.ASCII)


def configure_logging(settings: ApiSettings) -> None:
    """Send our lines and the libraries' through one renderer to standard error."""
    is_pretty = settings.log_format == "pretty" or (settings.log_format == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if is_pretty else "iso", utc=True),
    ]
    last: list[structlog.typing.Processor] = (
        # Plain traces: the rich ones show local variables, and those may hold secrets.
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if is_pretty
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    for name, level in (("httpx", "WARNING"), ("prefect", "WARNING"), ("uvicorn.access", "WARNING")):
        logger = logging.getLogger(name)
        for own in list(logger.handlers):
            logger.removeHandler(own)
        logger.propagate = True
        logger.setLevel(level)


def _as_sent(scope: Scope) -> str:
    """Keep the path's escapes: decoded, it could hold line ends and forge log lines."""
    return (scope.get("raw_path") or quote(scope["path"]).encode()).decode("ascii", "replace").partition("?")[0]


class RequestLog:
    """Gives each request an id (the caller's, if it is safe) and logs it at its end."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        request_id = given if _SAFE_ID.fullmatch(given) else uuid.uuid4().hex
        scope["request_id"] = request_id
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except Exception as error:
            if status:  # the answer has begun; it can only be cut off
                raise
            await unexpected_problem(Request(scope), error)(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "unmatched")
            count_request(scope["method"], route, status, seconds)
            # Without the query: a caller may have put a key there.
            log.log(
                logging.DEBUG if scope["path"] == _ASKED_OFTEN and status < HTTPStatus.BAD_REQUEST else logging.INFO,
                "request",
                extra={
                    "method": scope["method"],
                    "path": _as_sent(scope),
                    "status": status,
                    "ms": round(seconds * 1000, 1),
                    "client": scope["client"][0][:_LONGEST_ADDRESS] if scope.get("client") else None,
                    "request_id": request_id,
                },
            )

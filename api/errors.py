"""Every error answer has one shape: a problem of RFC 9457, with the field at fault and the next step.

ApiProblem
├── KeyMissing        401  changes need an API key, and none or a wrong one came
├── NotFromHere       403  no key is configured, and the request is not from this user's programs
├── TooManyRequests   429  the client's rate limit is used up
└── BadCursor         422  a cursor that this service did not give
"""

import logging
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from api.address import at
from ingestion.errors import IngestionError, StorageFailed, UnknownDepartment, UpstreamDown
from orchestration import errors as domain

log = logging.getLogger("girouette.api")

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5


class Problem(BaseModel):
    """An error, as `application/problem+json`."""

    type: str = Field(examples=["/problems/unknown-department"])
    title: str = Field(examples=["Unknown département"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["no département `Ariege5`: did you mean 9 (Ariège)?"])
    instance: str = Field(examples=["/runs"])
    field: str | None = Field(None, description="The parameter or body field at fault.", examples=["dept"])
    next_step: str = Field(examples=["send a code (`9`, `2A`, `974`), a name (`Ariège`), or `all`"])
    request_id: str | None = Field(None, description="The request's id in the service's log.")


class ApiProblem(Exception):
    """What happened, which field is at fault, and what to do next."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        type: str,
        next_step: str,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status, self.title, self.detail = status, title, detail
        self.type, self.field, self.next_step = type, field, next_step
        self.headers = headers
        super().__init__(f"{title}: {detail}; {next_step}")


class KeyMissing(ApiProblem):
    def __init__(self, detail: str) -> None:
        super().__init__(
            401,
            "An API key is needed",
            detail,
            type="/problems/key-missing",
            field="X-API-Key",
            next_step="send one of the service's API_KEYS as `X-API-Key: …` or `Authorization: Bearer …`",
            headers={"WWW-Authenticate": "Bearer"},
        )


class NotFromHere(ApiProblem):
    """No keys are configured, and the request may come from elsewhere."""

    def __init__(self, detail: str, *, is_proxied: bool = False) -> None:
        otherwise = "" if is_proxied else ", or call http://127.0.0.1 on the machine itself"
        super().__init__(
            403,
            "Changes are accepted from this user's programs only",
            f"no API key is configured, and {detail}",
            type="/problems/not-from-here",
            next_step=f"set API_KEYS on the service and send a key{otherwise}",
        )


class TooManyRequests(ApiProblem):
    def __init__(self, detail: str, wait_seconds: int) -> None:
        super().__init__(
            429,
            "Too many requests",
            detail,
            type="/problems/too-many-requests",
            next_step=f"wait {wait_seconds} s, or raise the limit in the service's settings",
            headers={"Retry-After": str(wait_seconds)},
        )


class BadCursor(ApiProblem):
    def __init__(self) -> None:
        super().__init__(
            422,
            "Unreadable cursor",
            "this cursor was not given by this service",
            type="/problems/bad-cursor",
            field="cursor",
            next_step="take `next` from the page before as it is, or leave the cursor out to begin again",
        )


_Row = tuple[int, str, str, str | None, str]
_STORAGE: _Row = (
    503, "storage-failed", "The data directory cannot be used", None,
    "mend what `detail` names; GET /health/ready says when it is well again.",
)  # fmt: skip

# Errors of the packages below: status, slug, title, field at fault, next step.
_DOMAIN: dict[type[Exception], _Row] = {
    UnknownDepartment: (
        422, "unknown-department", "Unknown département", "dept",
        "send a code (`9`, `2A`, `974`), a name (`Ariège`), or `all`",
    ),
    StorageFailed: _STORAGE,
    UpstreamDown: (
        502, "archive-not-answering", "The open archive did not answer", None,
        "try again later, or ask for other départements or years.",
    ),
    domain.NoRoom: _STORAGE,
    domain.RunNotFound: (404, "run-not-found", "No such run", "run_id", "list the runs with GET /runs."),
    domain.RunNotCancellable: (
        409, "run-has-ended", "The run has already ended", "run_id", "read how it ended with GET /runs/{id}.",
    ),
    domain.RunNotRetriable: (
        409, "run-has-not-ended", "The run has not ended", "run_id", "wait for its end, or POST /runs/{id}/cancel.",
    ),
    domain.KeyReused: (
        422, "key-reused", "Idempotency key of another run", "Idempotency-Key", "send a new key for a new run.",
    ),
    domain.QueueFull: (
        503, "queue-full", "Too many runs wait", None,
        "wait for some to end (GET /runs/latest counts them), or cancel some: POST /runs/{id}/cancel.",
    ),
    domain.NoDepartments: (
        409, "schedule-unreadable", "The schedule names no département", "dept",
        "send PATCH /schedule with `departments`, or name some: POST /runs?dept=9.",
    ),
    domain.BadSchedule: (
        422, "bad-cron", "Not a cron expression", "cron", "send five fields, e.g. `12 * * * *`.",
    ),
    domain.BadCondition: (
        422, "bad-condition", "Not a condition", "condition",
        "write it as docs/watches.md says, e.g. `temperature_c < 0`.",
    ),
    domain.WatchNotFound: (404, "watch-not-found", "No such watch", "watch_id", "list the watches with GET /watches."),
    domain.TooManyWatches: (409, "too-many-watches", "Too many watches", None, "delete some: DELETE /watches/{id}."),
    domain.AddressUnreadable: (
        422, "address-unreadable", "Not an address", "notify", "write the address as apprise documents it.",
    ),
    domain.AddressNotAllowed: (
        403, "address-not-allowed", "Address not allowed", "notify",
        "ask the operator to add its beginning to WATCH_TARGETS, or choose another address.",
    ),
    domain.NoPrefect: (
        503, "no-prefect", "This reader starts no runs", None,
        "ask a host that runs, or set PREFECT_API_URL on this reader.",
    ),
    domain.NotOnReader: (
        409, "not-on-a-reader", "A reader judges no watches", None,
        "add the watch on the host with ROLE=all, whose page or API you can reach.",
    ),
    domain.ShelfAway: (
        503, "shelf-away", "The store that hosts share does not answer", None,
        "try again in some seconds; GET /health/ready says when it is well again.",
    ),
    domain.ServerNotReady: (
        503, "prefect-not-ready", "Prefect is not ready", None,
        "try again in some seconds; GET /health/ready says what is missing.",
    ),
}  # fmt: skip


def install_problem_handlers(app: FastAPI) -> None:
    app.add_exception_handler(ApiProblem, _on_problem)
    app.add_exception_handler(IngestionError, _on_domain_error)
    app.add_exception_handler(domain.OrchestrationError, _on_domain_error)
    app.add_exception_handler(OSError, _on_os_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document an endpoint's problems for OpenAPI."""
    reference = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {s: {"description": HTTPStatus(s).phrase, "content": {MEDIA_TYPE: reference}} for s in statuses}


def problem_response(request: Request, problem: ApiProblem) -> JSONResponse:
    body = Problem(
        type=problem.type,
        title=problem.title,
        status=problem.status,
        detail=problem.detail,
        instance=at(request.url.path),
        field=problem.field,
        next_step=problem.next_step,
        request_id=request.scope.get("request_id"),
    )
    headers = dict(problem.headers or {})
    return JSONResponse(body.model_dump(), problem.status, headers=headers, media_type=MEDIA_TYPE)


async def _on_problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiProblem)  # noqa: S101 - registered for it
    return problem_response(request, error)


async def _on_domain_error(request: Request, error: Exception) -> JSONResponse:
    for kind, (status, slug, title, field, next_step) in _DOMAIN.items():
        if isinstance(error, kind):
            problem = ApiProblem(status, title, str(error), type=f"/problems/{slug}", field=field, next_step=next_step)
            if status == HTTPStatus.SERVICE_UNAVAILABLE:
                problem.headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            return problem_response(request, problem)
    return unexpected_problem(request, error)


async def _on_os_error(request: Request, error: Exception) -> JSONResponse:
    """Report a refusal of the machine (no rights, too many open files) without paths: those are in the log."""
    if not isinstance(error, OSError) or isinstance(error, TimeoutError | ConnectionError):
        return unexpected_problem(request, error)
    log.error("the machine refused", extra={"request_id": request.scope.get("request_id")}, exc_info=error)
    return await _on_domain_error(request, StorageFailed(error.errno, error.strerror or "", None, "the data directory"))


async def _on_invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    faults = [(".".join(str(part) for part in e["loc"][1:]) or str(e["loc"][0]), e["msg"]) for e in error.errors()]
    return problem_response(request, _invalid_request(faults))


def _invalid_request(faults: Sequence[tuple[str, str]]) -> ApiProblem:
    return ApiProblem(
        422,
        "The request is not valid",
        "; ".join(f"{field}: {what}" for field, what in faults),
        type="/problems/invalid-request",
        field=faults[0][0],
        next_step="correct it; /docs lists what each address takes",
    )


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.BAD_REQUEST and isinstance(error.__cause__, UnicodeDecodeError):
        # A body that is not text is an invalid request, like one that is not JSON.
        return problem_response(request, _invalid_request([("body", "it is not UTF-8 text")]))
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(sorted(_methods_of(request)))  # Starlette names only the first route's
    problem = ApiProblem(
        error.status_code,
        HTTPStatus(error.status_code).phrase,
        f"{request.method} {request.url.path}: {error.detail}",
        type="about:blank",
        next_step="/docs lists every address and method",
        headers=headers,
    )
    return problem_response(request, problem)


def _methods_of(request: Request) -> set[str]:
    paths: dict[str, dict[str, Any]] = request.app.openapi()["paths"]
    for path, methods in paths.items():
        if re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", path), request.url.path):
            return {method.upper() for method in methods}
    return {"GET", "HEAD"}  # the documentation pages, which OpenAPI leaves out


def unexpected_problem(request: Request, error: Exception) -> JSONResponse:
    """Log an unexpected error, and tell the caller only its id: the message may hold anything."""
    facts = {"path": request.url.path, "request_id": request.scope.get("request_id")}
    log.error("unexpected error", extra=facts, exc_info=error)
    problem = ApiProblem(
        500,
        "Internal error",
        "something unexpected went wrong",
        type="/problems/internal",
        next_step="look for the request id in the service's log",
    )
    return problem_response(request, problem)

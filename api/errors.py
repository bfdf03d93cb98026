"""Problems as the caller sees them: `application/problem+json` (RFC 9457) with the field at fault and the next step."""

from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"


class ApiProblem(Exception):
    """A refusal that says what happened, which field is at fault and what to do next."""

    headers: Mapping[str, str] | None = None

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        type: str,
        field: str | None = None,
        next_step: str,
    ) -> None:
        self.status, self.title, self.detail = status, title, detail
        self.type, self.field, self.next_step = type, field, next_step
        super().__init__(f"{title}: {detail}; {next_step}")


def problem_response(request: Request, problem: ApiProblem) -> JSONResponse:
    """Render a problem."""
    body = {
        "type": problem.type,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": request.url.path,
        "field": problem.field,
        "next_step": problem.next_step,
    }
    return JSONResponse(
        body, status_code=problem.status, media_type=MEDIA_TYPE, headers=dict(problem.headers or {}) or None
    )


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every error of the application in the one shape."""

    @app.exception_handler(ApiProblem)
    async def on_problem(request: Request, problem: ApiProblem) -> JSONResponse:
        return problem_response(request, problem)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:]) or None
        problem = ApiProblem(
            422,
            "Invalid request",
            f"{field or first['loc'][0]}: {first['msg']}",
            type="/problems/invalid-request",
            field=field,
            next_step="correct it; /docs lists what each address takes",
        )
        return problem_response(request, problem)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> JSONResponse:
        problem = ApiProblem(
            error.status_code,
            str(error.detail),
            f"{request.method} {request.url.path}: {error.detail}",
            type="about:blank",
            next_step="/docs lists every address and method",
        )
        problem.headers = error.headers
        return problem_response(request, problem)

"""GET and POST /warehouse/query."""

import asyncio
import threading
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.schemas.answers import QUERY, problem, read_responses
from api.schemas.query import QueryBody, QueryParameters
from api.warehouse.answer.dependencies import ReadsDep
from api.warehouse.answer.formats import ROW_FORMATS, choose_format
from api.warehouse.answer.reads import Reads
from api.warehouse.answer.render import Rows
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import SqlDisabled
from api.warehouse.sql.moment import may_change

router = APIRouter(prefix="/warehouse", tags=["sql"])

_RESPONSES = read_responses(QUERY, ROW_FORMATS) | problem(403, "SQL is switched off")


@router.get("/query", responses=_RESPONSES, response_class=Response)
async def query(request: Request, query: Annotated[QueryParameters, Query()], reads: ReadsDep) -> Response:
    """The same as POST, for a statement short enough for an address; its answers are cached."""
    body = QueryBody(sql=query.sql, params=list(query.param), **query.model_dump(exclude={"sql", "param"}))
    return await _run(request, body, reads)


@router.post("/query", responses=_RESPONSES, response_class=Response)
async def query_by_post(request: Request, body: QueryBody, reads: ReadsDep) -> Response:
    """Run one SELECT (WITH, VALUES, DESCRIBE, SUMMARIZE) over the published tables.

    Bind values with `?` or `$1` (`params` a list) or `$name` (`params` an object). The answer has the columns with
    their types, the rows, whether they were cut at the limit (`truncated`), and the seconds it took. Everything else
    (files, settings, other statements, several at once) is refused with the reason; time and memory are bounded.
    """
    return await _run(request, body, reads)


async def _run(request: Request, body: QueryBody, reads: Reads) -> Response:
    if not reads.settings.sql_enabled:
        raise SqlDisabled
    limit = min(body.limit or reads.settings.sql_rows_max, reads.settings.sql_rows_max)

    has_left = threading.Event()

    def work(snapshot: OpenSnapshot, _: Executor) -> Rows:
        result = reads.sql.run(snapshot, body.sql, body.params, limit, has_left)
        return Rows(
            result.table,
            members={"columns": result.columns, "truncated": result.is_truncated, "seconds": result.seconds},
            tz=body.tz,
            is_lasting=request.method == "GET" and not may_change(body.sql),
        )

    chosen = choose_format(request, body.format)
    watch = asyncio.create_task(_note_leaving(request, has_left))
    try:
        return await reads.answer(request, work, chosen, snapshot=body.snapshot, limiter=reads.sql_limiter)
    finally:
        watch.cancel()


async def _note_leaving(request: Request, has_left: threading.Event) -> None:
    """Set the event when the caller hangs up: the next message after the body."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    has_left.set()

"""GET /warehouse/observations."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.schemas.answers import OBSERVATIONS, read_responses
from api.schemas.reads import ObservationsQuery
from api.warehouse.answer.cursors import question_of, read_cursor
from api.warehouse.answer.dependencies import ReadsDep, rows_wanted
from api.warehouse.answer.formats import ROW_FORMATS, choose_format
from api.warehouse.question.observations import ObservationsRequest, read_observations

router = APIRouter(prefix="/warehouse", tags=["observations"])


@router.get("/observations", responses=read_responses(OBSERVATIONS, ROW_FORMATS), response_class=Response)
async def observations(request: Request, query: Annotated[ObservationsQuery, Query()], reads: ReadsDep) -> Response:
    """Hourly rows (or Météo-France's climatological days) of stations over a time range.

    By station, then by time. A long answer comes in pages: `next` is the cursor of the following one, and stays on
    the snapshot of the first page, so that no row is met twice or missed while new data is published.
    """
    question = question_of(request.url.path, request.query_params.multi_items())
    cursor = read_cursor(query.cursor, question, query.snapshot)
    wanted = ObservationsRequest(
        **query.model_dump(exclude={"snapshot", "format", "limit", "cursor"}),
        question=question,
        limit=rows_wanted(reads, query.limit, default=10_000),
        cursor=cursor,
    )
    return await reads.answer(
        request,
        lambda snapshot, executor: read_observations(snapshot, executor, wanted),
        choose_format(request, query.format),
        snapshot=query.snapshot,
        cursor=cursor,
    )

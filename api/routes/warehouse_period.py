"""GET /warehouse/period."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.schemas.answers import PERIOD, read_responses
from api.schemas.reads import PeriodQuery
from api.warehouse.answer.dependencies import ReadsDep, rows_wanted
from api.warehouse.answer.formats import ROW_FORMATS, choose_format
from api.warehouse.question.period import PeriodRequest, read_period

router = APIRouter(prefix="/warehouse", tags=["observations"])


@router.get("/period", responses=read_responses(PERIOD, ROW_FORMATS), response_class=Response)
async def period(request: Request, query: Annotated[PeriodQuery, Query()], reads: ReadsDep) -> Response:
    """What a free period was like: sum, mean, extremes with their times, days over or under a threshold, gaps.

    At a `place` or `near` a point there is one row per quantity, from the nearest station that has nine tenths of
    the hours that any station around has. Otherwise there is one row per quantity and station. `sum` is null while an
    hour is missing; `sum_there` adds up the hours there, `hours_missing` says how many are not. An hour's row is for
    the hour that ends then. Days are those of the place's clock, from midnight to midnight, or from noon to noon with
    `days=night`. A day is counted as over or under as soon as its hours show it; `_unsure` counts the days of which
    missing hours keep the answer. `hours_over` and `last_over_at` go by the hours' readings.
    """
    wanted = PeriodRequest(
        **query.model_dump(exclude={"snapshot", "format", "limit"}),
        limit=rows_wanted(reads, query.limit, default=10_000),
    )
    return await reads.answer(
        request,
        lambda snapshot, executor: read_period(snapshot, executor, wanted),
        choose_format(request, query.format),
        snapshot=query.snapshot,
    )

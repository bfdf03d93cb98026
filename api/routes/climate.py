"""GET /climate/… and GET /archive/coverage: history of stations from the open archive."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from api.schemas.answers import COVERAGE, HISTORY, NORMAL, NORMALS, RECORDS, read_responses
from api.schemas.reads import ClimateQuery, CoverageQuery, HistoryQuery, NormalQuery, NormalsQuery
from api.warehouse.answer.cursors import question_of, read_cursor
from api.warehouse.answer.dependencies import ReadsDep, rows_wanted
from api.warehouse.answer.formats import ONLY_JSON, ROW_FORMATS, choose_format
from api.warehouse.question.climate import (
    CoverageRequest,
    HistoryRequest,
    read_coverage,
    read_history,
    read_normal,
    read_normals,
    read_records,
)

router = APIRouter(tags=["climate"])

Station = Annotated[str, Path(description="Station: id or name.", examples=["09289001"], max_length=120)]


@router.get("/climate/normal", responses=read_responses(NORMAL, ONLY_JSON), response_class=Response)
async def normal(request: Request, query: Annotated[NormalQuery, Query()], reads: ReadsDep) -> Response:
    """Was this day normal? Its value, the normal 1991-2020 of its calendar day, and its place among others.

    `percentile` is the share of the days around it in 1991-2020 that were lower. `rank` counts the same calendar day
    of all years, 1 is the highest. With too few years, normal, departure and percentile are null.
    """
    return await reads.answer(
        request,
        lambda snapshot, executor: read_normal(snapshot, executor, query.station, query.day, query.quantity),
        choose_format(request, query.format, ONLY_JSON),
        snapshot=query.snapshot,
    )


@router.get("/climate/{station}/normals", responses=read_responses(NORMALS, ROW_FORMATS), response_class=Response)
async def normals(
    request: Request, station: Station, query: Annotated[NormalsQuery, Query()], reads: ReadsDep
) -> Response:
    """Normals 1991-2020 of one station, with the years that count. Nothing under 24 years is called normal."""
    return await reads.answer(
        request,
        lambda snapshot, executor: read_normals(snapshot, executor, station, query.quantity, query.resolution),
        choose_format(request, query.format),
        snapshot=query.snapshot,
    )


@router.get("/climate/{station}/records", responses=read_responses(RECORDS, ROW_FORMATS), response_class=Response)
async def records(
    request: Request, station: Station, query: Annotated[ClimateQuery, Query()], reads: ReadsDep
) -> Response:
    """Highest and lowest values of one station by month and over all, with the first day that had them.

    `is_long` says whether the series is long enough for the word record.
    """
    return await reads.answer(
        request,
        lambda snapshot, executor: read_records(snapshot, executor, station, query.quantity),
        choose_format(request, query.format),
        snapshot=query.snapshot,
    )


@router.get("/climate/{station}/history", responses=read_responses(HISTORY, ROW_FORMATS), response_class=Response)
async def history(
    request: Request, station: Station, query: Annotated[HistoryQuery, Query()], reads: ReadsDep
) -> Response:
    """Days of one station since its first one, or its hours, months or years.

    An hour has the archive's value where that comes first, else real time's (`source`, `quality`). A day is the
    official one where the archive has it (`day_source`), else it is counted from hours. Months and years have one row
    per quantity. Their value is null unless they are whole.
    """
    question = question_of(request.url.path, request.query_params.multi_items())
    cursor = read_cursor(query.cursor, question, query.snapshot)
    wanted = HistoryRequest(
        station=station,
        question=question,
        limit=rows_wanted(reads, query.limit, default=10_000),
        start=query.start,
        end=query.end,
        resolution=query.resolution,
        cursor=cursor,
    )
    return await reads.answer(
        request,
        lambda snapshot, executor: read_history(snapshot, executor, wanted),
        choose_format(request, query.format),
        snapshot=query.snapshot,
        cursor=cursor,
    )


@router.get("/archive/coverage", responses=read_responses(COVERAGE, ROW_FORMATS), response_class=Response)
async def coverage(request: Request, query: Annotated[CoverageQuery, Query()], reads: ReadsDep) -> Response:
    """How many official days the archive has, of each quantity, and how many values are not validated."""
    question = question_of(request.url.path, request.query_params.multi_items())
    cursor = read_cursor(query.cursor, question, query.snapshot)
    wanted = CoverageRequest(
        question=question,
        limit=rows_wanted(reads, query.limit, default=10_000),
        dept=query.dept,
        station=query.station,
        by=query.by,
        cursor=cursor,
    )
    return await reads.answer(
        request,
        lambda snapshot, executor: read_coverage(snapshot, executor, wanted),
        choose_format(request, query.format),
        snapshot=query.snapshot,
        cursor=cursor,
    )

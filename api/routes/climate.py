"""GET /climate/… and GET /archive/coverage: history of stations from the open archive."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from api.schemas.answers import (
    ACCUMULATED,
    COLD_SPELLS,
    COVERAGE,
    DRY_SPELLS,
    FROSTS,
    HEAT_WAVES,
    HISTORY,
    NORMAL,
    NORMALS,
    RECORDS,
    RETURN_PERIODS,
    read_responses,
)
from api.schemas.climate import (
    AccumulateQuery,
    ClimateQuery,
    ColdSpellsQuery,
    CoverageQuery,
    DrySpellsQuery,
    FrostsQuery,
    HeatWavesQuery,
    HistoryQuery,
    NormalQuery,
    NormalsQuery,
    ReturnPeriodsQuery,
)
from api.warehouse.answer.cursors import question_of, read_cursor
from api.warehouse.answer.dependencies import ReadsDep, rows_wanted
from api.warehouse.answer.formats import ONLY_JSON, PLACE_FORMATS, ROW_FORMATS, choose_format
from api.warehouse.answer.reads import Reads
from api.warehouse.answer.render import Rows
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import BadValue
from api.warehouse.question.accumulate import AccumulateRequest, read_accumulated
from api.warehouse.question.anomalies import AllNormalRequest, read_all_normal, read_normal
from api.warehouse.question.climate import (
    HistoryRequest,
    read_history,
    read_normals,
    read_records,
)
from api.warehouse.question.coverage import CoverageRequest, read_coverage
from api.warehouse.question.return_periods import read_return_periods
from api.warehouse.question.spells import (
    SpellsRequest,
    read_cold_spells,
    read_dry_spells,
    read_frosts,
    read_heat_waves,
)

router = APIRouter(tags=["climate"])

Station = Annotated[str, Path(description="Station: id or name.", examples=["09289001"], max_length=120)]


@router.get("/climate/normal", responses=read_responses(NORMAL, PLACE_FORMATS), response_class=Response)
async def normal(request: Request, query: Annotated[NormalQuery, Query()], reads: ReadsDep) -> Response:
    """Was this day normal? Its value, the normal 1991-2020 of its calendar day, and its place among others.

    `percentile` is the share of the days around it in 1991-2020 that were lower. `rank` counts the same calendar day
    of all years, 1 is the highest. With too few years, normal, departure and percentile are null.

    With `resolution=month` or `year`, the days since the first of the month or year are compared with the same days
    of other years. Without `station`, there is a row for each station of `dept`, or of France: `percentile_range`
    then stands for the percentile.
    """
    if query.station is not None:
        if query.dept:
            raise BadValue("dept", "a station is named too", "leave one of them out")
        station = query.station
        return await reads.answer(
            request,
            lambda snapshot, executor: read_normal(
                snapshot, executor, station, query.day, query.quantity, query.resolution
            ),
            choose_format(request, query.format, ONLY_JSON),
            snapshot=query.snapshot,
        )
    if query.resolution != "day":
        raise BadValue("resolution", "the month or year so far is of one station", "name a `station`, or ask for a day")
    question = question_of(request.url.path, request.query_params.multi_items())
    cursor = read_cursor(query.cursor, question, query.snapshot)
    wanted = AllNormalRequest(
        question=question,
        limit=rows_wanted(reads, query.limit, default=10_000),
        cursor=cursor,
        day=query.day,
        quantity=query.quantity,
        dept=query.dept,
    )
    return await reads.answer(
        request,
        lambda snapshot, executor: read_all_normal(snapshot, executor, wanted),
        choose_format(request, query.format, PLACE_FORMATS),
        snapshot=query.snapshot,
        cursor=cursor,
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
    per quantity. Their value is null unless they are whole. With `windows`, each hour has those of
    /warehouse/observations, such as `precipitation_24h_mm`: null unless all of its hours are there.
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
        windows=query.windows,
        cursor=cursor,
    )
    return await reads.answer(
        request,
        lambda snapshot, executor: read_history(snapshot, executor, wanted),
        choose_format(request, query.format),
        snapshot=query.snapshot,
        cursor=cursor,
    )


@router.get(
    "/climate/{station}/accumulate", responses=read_responses(ACCUMULATED, ROW_FORMATS), response_class=Response
)
async def accumulate(
    request: Request, station: Station, query: Annotated[AccumulateQuery, Query()], reads: ReadsDep
) -> Response:
    """How much since that day? The sum of rain, sunshine, degree days, chill hours, evapotranspiration and others.

    `is_whole` says whether a day is missing: `sum` is then that of the others, and `message` says so. `normal` is the
    sum of the same days in 1991-2020. `base`, `method` and `unit` say how the days are made.
    """
    question = question_of(request.url.path, request.query_params.multi_items())
    cursor = read_cursor(query.cursor, question, query.snapshot)
    wanted = AccumulateRequest(
        station=station,
        question=question,
        limit=rows_wanted(reads, query.limit, default=10_000),
        cursor=cursor,
        quantity=query.quantity,
        since=query.since,
        until=query.until,
        base=query.base,
        resolution=query.resolution,
    )
    return await reads.answer(
        request,
        lambda snapshot, executor: read_accumulated(snapshot, executor, wanted),
        choose_format(request, query.format),
        snapshot=query.snapshot,
        cursor=cursor,
    )


@router.get("/climate/{station}/dry-spells", responses=read_responses(DRY_SPELLS, ROW_FORMATS), response_class=Response)
async def dry_spells(
    request: Request, station: Station, query: Annotated[DrySpellsQuery, Query()], reads: ReadsDep
) -> Response:
    """Since when has it not rained? Spells of days with less than 1 mm, the newest first. `goes_on` is today's."""
    return await _spells(request, station, query, reads, read_dry_spells)


@router.get("/climate/{station}/frosts", responses=read_responses(FROSTS, ROW_FORMATS), response_class=Response)
async def frosts(
    request: Request, station: Station, query: Annotated[FrostsQuery, Query()], reads: ReadsDep
) -> Response:
    """First and last frost of each winter, the newest first, with the days of frost and the days that are missing."""
    return await _spells(request, station, query, reads, read_frosts)


@router.get("/climate/{station}/heat-waves", responses=read_responses(HEAT_WAVES, ROW_FORMATS), response_class=Response)
async def heat_waves(
    request: Request, station: Station, query: Annotated[HeatWavesQuery, Query()], reads: ReadsDep
) -> Response:
    """Heat waves, the newest first: at least `least_days` days in a row with a maximum of `over` or more."""
    return await _spells(request, station, query, reads, read_heat_waves)


@router.get(
    "/climate/{station}/cold-spells", responses=read_responses(COLD_SPELLS, ROW_FORMATS), response_class=Response
)
async def cold_spells(
    request: Request, station: Station, query: Annotated[ColdSpellsQuery, Query()], reads: ReadsDep
) -> Response:
    """Cold spells, the newest first: at least `least_days` days in a row with a minimum of `under` or less."""
    return await _spells(request, station, query, reads, read_cold_spells)


async def _spells(
    request: Request,
    station: str,
    query: DrySpellsQuery | FrostsQuery | HeatWavesQuery | ColdSpellsQuery,
    reads: Reads,
    read: Callable[[OpenSnapshot, Executor, SpellsRequest], Rows],
) -> Response:
    question = question_of(request.url.path, request.query_params.multi_items())
    cursor = read_cursor(query.cursor, question, query.snapshot)
    limits = query.model_dump(include={"under", "over", "least_days"})
    wanted = SpellsRequest(
        station=station,
        question=question,
        limit=rows_wanted(reads, query.limit, default=10_000),
        cursor=cursor,
        start=query.start,
        end=query.end,
        **limits,
    )
    return await reads.answer(
        request,
        lambda snapshot, executor: read(snapshot, executor, wanted),
        choose_format(request, query.format),
        snapshot=query.snapshot,
        cursor=cursor,
    )


@router.get(
    "/climate/{station}/return-periods", responses=read_responses(RETURN_PERIODS, ROW_FORMATS), response_class=Response
)
async def return_periods(
    request: Request, station: Station, query: Annotated[ReturnPeriodsQuery, Query()], reads: ReadsDep
) -> Response:
    """How rare is it? The value that one year in 2, 5, 10, 20, 50 and 100 exceeds, with its confidence interval.

    From the extremes of at least 30 whole years; with fewer, the values are null and `message` says so.
    """
    return await reads.answer(
        request,
        lambda snapshot, executor: read_return_periods(snapshot, executor, station, query.quantity),
        choose_format(request, query.format),
        snapshot=query.snapshot,
    )


@router.get("/archive/coverage", responses=read_responses(COVERAGE, ROW_FORMATS), response_class=Response)
async def coverage(request: Request, query: Annotated[CoverageQuery, Query()], reads: ReadsDep) -> Response:
    """How many official days or hours the archive has, of which quantities, and how many values are validated."""
    question = question_of(request.url.path, request.query_params.multi_items())
    cursor = read_cursor(query.cursor, question, query.snapshot)
    wanted = CoverageRequest(
        question=question,
        limit=rows_wanted(reads, query.limit, default=10_000),
        dept=query.dept,
        station=query.station,
        dataset=query.dataset,
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

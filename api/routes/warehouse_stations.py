"""GET /warehouse/stations and GET /warehouse/stations/{station_id}."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from api.schemas.answers import STATION, STATIONS, read_responses
from api.schemas.reads import ReadQuery, StationsQuery
from api.warehouse.answer.cursors import question_of, read_cursor
from api.warehouse.answer.dependencies import ReadsDep, rows_wanted
from api.warehouse.answer.formats import ONLY_JSON, PLACE_FORMATS, choose_format
from api.warehouse.answer.render import Rows
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.question.filters import Condition, any_of
from api.warehouse.question.locate import Limits, locate, nearest_stations
from api.warehouse.question.paging import Ordering, Page, read_page
from api.warehouse.question.places import inside_box
from api.warehouse.question.station_profile import read_profile
from api.warehouse.question.stations import FOLDED_NAME, resolve_departments
from api.warehouse.question.tables import relation_of
from api.warehouse.question.units import as_is
from ingestion.departments import fold

router = APIRouter(prefix="/warehouse/stations", tags=["stations"])


@router.get("", responses=read_responses(STATIONS, PLACE_FORMATS), response_class=Response)
async def stations(request: Request, query: Annotated[StationsQuery, Query()], reads: ReadsDep) -> Response:
    """Every station known from upstream's list or from its observations, with its place and its first and last hour.

    With `place` or `near` the nearest come first, with `distance_km` and `higher_m`, height counted in as elsewhere.
    """
    question = question_of(request.url.path, request.query_params.multi_items())
    cursor = read_cursor(query.cursor, question, query.snapshot)

    def work(snapshot: OpenSnapshot, executor: Executor) -> Rows:
        relation = relation_of(snapshot, "marts", "stations")
        located = locate(snapshot, executor, query.place, query.near, query.altitude)
        conditions: list[Condition] = []
        if query.dept:
            codes = resolve_departments(query.dept)
            conditions.append(any_of(relation.by_name["department_code"], codes, "dept"))
        if query.q:
            conditions.append(Condition(f"contains({FOLDED_NAME}, ?)", (fold(query.q),)))
        if query.bbox:
            conditions.append(inside_box(query.bbox))
        limit = rows_wanted(reads, query.limit, default=10_000)
        if located is not None:
            limits = Limits(query.max_km, query.max_height_m if query.by_altitude else None)
            members = {"place": located.facts} if query.place else {}
            return Rows(nearest_stations(snapshot, executor, located.point, limits, conditions, limit), members=members,
                        tz=query.tz)  # fmt: skip
        page = Page(
            relation=relation,
            selected=[as_is(column) for column in relation.columns],
            conditions=conditions,
            order=[Ordering(relation.by_name["station_id"])],
            limit=limit,
            question=question,
            cursor=cursor,
        )
        table, following = read_page(snapshot, executor, page)
        return Rows(table, following, tz=query.tz)

    return await reads.answer(
        request,
        work,
        choose_format(request, query.format, PLACE_FORMATS),
        snapshot=query.snapshot,
        cursor=cursor,
    )


@router.get("/{station_id}", responses=read_responses(STATION, ONLY_JSON), response_class=Response)
async def station(
    request: Request,
    station_id: Annotated[str, Path(examples=["09289001"], max_length=20)],
    query: Annotated[ReadQuery, Query()],
    reads: ReadsDep,
) -> Response:
    """One station: its place, the sensors it really reported in 30 days, completeness, and since when it is silent.

    Silence and completeness are measured from the snapshot's newest observation, not from the clock.
    """
    return await reads.answer(
        request,
        lambda snapshot, executor: read_profile(snapshot, executor, station_id),
        choose_format(request, query.format, ONLY_JSON),
        snapshot=query.snapshot,
    )

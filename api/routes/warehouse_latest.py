"""GET /warehouse/latest."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.schemas.answers import LATEST, read_responses
from api.schemas.reads import LatestQuery
from api.warehouse.answer.dependencies import ReadsDep
from api.warehouse.answer.formats import GEOJSON, JSON, PLACE_FORMATS, choose_format
from api.warehouse.question.latest import LatestRequest, read_latest
from api.warehouse.question.latest_json import read_latest_json

router = APIRouter(prefix="/warehouse", tags=["observations"])


@router.get("/latest", responses=read_responses(LATEST, PLACE_FORMATS), response_class=Response)
async def latest(request: Request, query: Annotated[LatestQuery, Query()], reads: ReadsDep) -> Response:
    """The latest observation of each station, however old it is.

    Narrow it by département, station, place (`place`, `near`, `bbox`) or age (`max_age`). With `place` or `near` the
    nearest station comes first and every row has its `distance_km`; with `fill=true` as well, there is one row, and
    what its station does not measure comes from the next station that does, for the same hour (`filled_from`). Where
    the altitude is known, height counts as distance, so that no summit stands for a valley.
    """
    chosen = choose_format(request, query.format, PLACE_FORMATS)
    wanted = LatestRequest(**query.model_dump(exclude={"snapshot", "format"}), with_place=chosen == GEOJSON)
    read = read_latest_json if chosen == JSON else read_latest
    return await reads.answer(
        request,
        lambda snapshot, executor: read(snapshot, executor, wanted),
        chosen,
        snapshot=query.snapshot,
    )

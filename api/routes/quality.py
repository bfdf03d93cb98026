"""GET /quality."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.schemas.answers import QUALITY, read_responses
from api.schemas.reads import ReadQuery
from api.warehouse.answer.dependencies import ReadsDep
from api.warehouse.answer.formats import ONLY_JSON, choose_format
from api.warehouse.question.quality import read_quality

router = APIRouter(tags=["quality"])


@router.get("/quality", responses=read_responses(QUALITY, ONLY_JSON), response_class=Response)
async def quality(request: Request, query: Annotated[ReadQuery, Query()], reads: ReadsDep) -> Response:
    """How good the data is: findings, dbt's results, freshness per département and station, silence, loads.

    Ages are measured from the snapshot's newest observation. The findings themselves are rows of
    /warehouse/tables/meta/quality_findings.
    """
    chosen = choose_format(request, query.format, ONLY_JSON)
    return await reads.answer(request, read_quality, chosen, snapshot=query.snapshot)

"""`/page/state`: open pages poll it every few seconds, so it does not read the warehouse."""

import orjson
from fastapi import APIRouter, Request, Response

from api.page.answer import pages_of
from api.page.headers import NO_SNIFF
from api.service import ServiceDep
from api.warehouse.answer.dependencies import ReadsDep
from api.warehouse.answer.etags import is_unchanged, not_modified

router = APIRouter(include_in_schema=False)


@router.api_route("/page/state", methods=["GET", "HEAD"])
async def read_state(request: Request, service: ServiceDep, reads: ReadsDep) -> Response:
    """Say which snapshot is served and how the runs stand; 304 while both are as they were."""
    status = await pages_of(request).board.read(service)
    served = reads.warehouse.served_id
    body = orjson.dumps({"snapshot": served, "runs": status.digest})
    etag = f'"{served}-{status.digest}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache", **NO_SNIFF}
    if is_unchanged(request.headers, etag):
        return not_modified(headers)
    return Response(body, headers=headers, media_type="application/json")

"""`/page/state`: what an open page asks every few seconds, answered without touching the warehouse or Prefect."""

import hashlib

import orjson
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from api.page.headers import NO_SNIFF
from api.service import ServiceDep
from api.warehouse.dependencies import ReadsDep
from api.warehouse.reads import matches
from ingestion.paths import DataPaths

router = APIRouter(include_in_schema=False)


@router.api_route("/page/state", methods=["GET", "HEAD"])
async def read_state(request: Request, service: ServiceDep, reads: ReadsDep) -> Response:
    """Say which snapshot is served and whether another run has begun; 304 while both are the same."""
    runs = await run_in_threadpool(_runs_stamp, service.paths)
    state = {"snapshot": reads.warehouse.served_id, "runs": runs, "prefect": service.health.prefect == "ready"}
    body = orjson.dumps(state)
    etag = f'"{hashlib.blake2b(body, digest_size=8).hexdigest()}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache", **NO_SNIFF}
    if matches(request.headers.get("if-none-match", "").encode("latin-1"), etag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


def _runs_stamp(paths: DataPaths) -> int:
    """The folder of run records changes when a run begins to write its own."""
    try:
        return paths.run_records.stat().st_mtime_ns
    except OSError:
        return 0

"""GET /warehouse/download."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from api.caller import caller_of
from api.schemas.answers import problem
from api.schemas.reads import DownloadQuery
from api.warehouse.answer.dependencies import ReadsDep
from api.warehouse.answer.formats import PARQUET
from api.warehouse.answer.outgoing import TABLE_BYTES
from api.warehouse.answer.reads import held_until_sent
from api.warehouse.question.download import SnapshotFile, open_file, stream_table

router = APIRouter(prefix="/warehouse", tags=["download"])

_FILE = "application/vnd.duckdb"


@router.get(
    "/download",
    response_class=Response,
    responses=problem(404)
    | problem(410)
    | problem(422)
    | problem(503)
    | {
        200: {"description": "The file", "content": {_FILE: {}, PARQUET.media_type: {}}},
        206: {"description": "The range asked for", "content": {_FILE: {}}},
        304: {"description": "Unchanged since the ETag sent in If-None-Match"},
        # Starlette answers it from inside the file response, with the size in Content-Range.
        416: {"description": "No such range", "content": {"text/plain": {}}},
    },
)
async def download(request: Request, query: Annotated[DownloadQuery, Query()], reads: ReadsDep) -> Response:
    """The warehouse itself: the DuckDB file (resumable with range requests), or one table as Parquet.

    Open it with `duckdb warehouse.duckdb`; keep that name, its views refer to it.
    """
    if query.table is not None:
        table = query.table
        held_until_sent(request, reads.outgoing.hold(caller_of(request), TABLE_BYTES))
        opened, headers = await reads.in_thread(request, lambda: stream_table(reads, table, query.snapshot))
        return StreamingResponse(opened, media_type=PARQUET.media_type, headers=headers)
    found: SnapshotFile = await reads.in_thread(request, lambda: open_file(reads, query.snapshot))
    return found.not_modified(request) or found

"""Dependencies of the read routes."""

from typing import Annotated

from fastapi import Depends, Request

from api.warehouse.answer.reads import Reads
from api.warehouse.problems import NoSnapshot


def reads_of(request: Request) -> Reads:
    """Return the reads of this application; raises NoSnapshot before it has started."""
    reads: Reads | None = getattr(request.app.state, "warehouse", None)
    if reads is None:
        raise NoSnapshot
    return reads


async def get_reads(request: Request) -> Reads:
    """Give the reads to an endpoint."""
    return reads_of(request)


ReadsDep = Annotated[Reads, Depends(get_reads)]


def rows_wanted(reads: Reads, asked: int | None, default: int = 1_000) -> int:
    """Bound the number of rows of an answer by the limit of the service."""
    return min(asked if asked is not None else default, reads.settings.read_rows_max)

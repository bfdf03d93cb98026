"""What the read routes ask the application for."""

from typing import Annotated

from fastapi import Depends, Request

from api.warehouse.answer.reads import Reads
from api.warehouse.problems import NoSnapshot


def reads_of(request: Request) -> Reads:
    """The reads of this application; 503 while it has not begun."""
    reads: Reads | None = getattr(request.app.state, "warehouse", None)
    if reads is None:
        raise NoSnapshot
    return reads


async def get_reads(request: Request) -> Reads:
    """Give the reads to an endpoint."""
    return reads_of(request)


ReadsDep = Annotated[Reads, Depends(get_reads)]


def rows_wanted(reads: Reads, asked: int | None, default: int = 1_000) -> int:
    """How many rows an answer may have: what was asked for, within the service's limit."""
    return min(asked if asked is not None else default, reads.settings.read_rows_max)

"""The request headers that decide an answer, read in one way by the cache and by everything else."""

from starlette.datastructures import Headers

_LONGEST = 2_000  # characters; parsed headers are kept in memory


def read_header(headers: Headers, name: str) -> str:
    """Join a repeated header into one list (RFC 9110, 5.3)."""
    return ", ".join(headers.getlist(name))[:_LONGEST]

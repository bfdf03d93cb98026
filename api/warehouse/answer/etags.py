"""ETags: how they are made and compared, for the API and the page alike."""

import hashlib
from collections.abc import Mapping

from fastapi import Response
from starlette.datastructures import Headers
from werkzeug.http import parse_etags

from api.warehouse.answer.headers import read_header

_NOT_IN_304 = ("content-length", "content-type", "content-encoding")


def make_etag(*parts: str) -> str:
    """Digest everything that decides the bytes of an answer."""
    return f'"{hashlib.blake2b(chr(0).join(parts).encode(), digest_size=12).hexdigest()}"'


def is_unchanged(request_headers: Headers, etag: str) -> bool:
    """Whether If-None-Match names this ETag (weak comparison, as RFC 9110 asks for)."""
    named = read_header(request_headers, "if-none-match")
    return bool(named) and parse_etags(named).contains_weak(etag.strip('"'))


def not_modified(headers: Mapping[str, str]) -> Response:
    """Give 304 with the headers of the full answer."""
    kept = {name: value for name, value in headers.items() if name.lower() not in _NOT_IN_304}
    return Response(status_code=304, headers=kept)

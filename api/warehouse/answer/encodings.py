"""Compression of answers: zstd or gzip, as the caller accepts."""

import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache

import pyarrow as pa
from starlette.datastructures import Headers
from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header

from api.warehouse.answer.headers import read_header

WORTH_COMPRESSING = 1024  # below, the header costs what compression saves

# Level 1 of zstd makes about 400 MB/s on one core of JSON like ours; gzip 5 about 60 MB/s.
_GZIP_LEVEL = 5
_ZSTD_LEVEL = 1


def choose_encoding(headers: Headers, offered: tuple[str, ...] = ("zstd", "gzip")) -> str | None:
    """Choose the best encoding that Accept-Encoding names; None means no compression."""
    return _choose(read_header(headers, "accept-encoding"), offered)


@lru_cache(maxsize=256)
def _choose(accept_encoding: str, offered: tuple[str, ...]) -> str | None:
    # `*` accepts encodings that the client may not know, so only named ones count.
    named = Accept([item for item in parse_accept_header(accept_encoding) if item[0] != "*"])
    best = named.best_match([*offered, "identity"])
    return best if best != "identity" else None


def compress(body: bytes, encoding: str) -> bytes:
    """Compress a whole body."""
    if encoding == "gzip":
        return zlib.compress(body, _GZIP_LEVEL, wbits=31)
    return bytes(pa.Codec("zstd", compression_level=_ZSTD_LEVEL).compress(body, asbytes=True))


def compress_stream(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Compress a body chunk by chunk. Each chunk is a frame of its own for zstd, which decoders join."""
    if encoding == "zstd":
        for chunk in chunks:
            yield compress(chunk, encoding)
        return
    compressor = zlib.compressobj(_GZIP_LEVEL, wbits=31)
    for chunk in chunks:
        if ready := compressor.compress(chunk):
            yield ready
    yield compressor.flush()

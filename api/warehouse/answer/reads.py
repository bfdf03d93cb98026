"""From a request to its answer: snapshot, ETag, limits, rendering, compression, cache."""

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, TypeVar

import anyio
from anyio import CapacityLimiter, to_thread
from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from api.warehouse.answer.cache import AnswerCache, Encoded, Key
from api.warehouse.answer.encodings import WORTH_COMPRESSING, choose_encoding, compress, compress_stream
from api.warehouse.answer.formats import GEOJSON, JSON, ROW_FORMATS, Format, choose
from api.warehouse.answer.render import Document, Rows, render, render_document
from api.warehouse.open.execute import Executor
from api.warehouse.open.pool import Warehouse
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import Busy, SnapshotDamaged
from api.warehouse.settings import WarehouseSettings
from api.warehouse.sql.shares import Shares
from api.warehouse.sql.sql_runner import SqlRunner

_T = TypeVar("_T")
Work = Callable[[OpenSnapshot, Executor], Rows | Document]

_LONGEST_HEADER = 2_000  # proxies refuse answers whose headers are longer than 4 or 8 kB in all

# Who has asked within this time will ask again.
_LATELY_SECONDS = 60

# Part of every ETag: a new version of the software may write the same rows otherwise.
_SOFTWARE = version("girouette")


class Reads:
    """Everything that answers reads, opened and closed with the application."""

    def __init__(self, warehouse: Warehouse, settings: WarehouseSettings) -> None:
        self.warehouse, self.settings = warehouse, settings
        self.executor = Executor(settings)
        self.sql = SqlRunner(settings)
        self.cache = AnswerCache(settings.read_cache_mb * 2**20)
        self._limiter = CapacityLimiter(settings.read_concurrency)
        self._asked_at = -math.inf
        self._computing: dict[Key, anyio.Event] = {}  # answers being computed by somebody
        # Apart, so that slow statements of callers never take the place of other reads.
        self.sql_limiter = CapacityLimiter(settings.sql_processes)
        self.sql_shares = Shares(settings.sql_processes, settings.read_queue_seconds)

    def close(self) -> None:
        """Stop what runs beside the requests."""
        self.sql.close()
        self.executor.close()

    def ping(self) -> bool:
        """Whether reads can be answered."""
        return self.warehouse.ping()

    def status(self) -> dict[str, Any]:
        """What /health/ready says of reading."""
        return self.warehouse.status() | {"cache_bytes": self.cache.used}

    def were_asked_lately(self) -> bool:
        """Whether somebody read within the last minute."""
        return time.monotonic() - self._asked_at < _LATELY_SECONDS

    def find(self, key: Key) -> Encoded | None:
        """Find an encoded answer that is still right; every read begins with it."""
        self._asked_at = time.monotonic()
        found = self.cache.get(key)
        if found is None:
            return None
        if (
            found.snapshot_id == self.warehouse.served_id
            if not found.is_pinned
            else (self.warehouse.is_kept(found.snapshot_id))
        ):
            return found
        self.cache.forget(key)
        return None

    async def in_thread(self, work: Callable[[], _T], limiter: CapacityLimiter | None = None) -> _T:
        """Run blocking work in one of the readers' threads; raises Busy when none becomes free."""
        # Only the wait for a thread can be cancelled: work that has begun is always waited for.
        with anyio.move_on_after(self.settings.read_queue_seconds):
            return await to_thread.run_sync(work, limiter=limiter or self._limiter)
        raise Busy(self.settings.read_queue_seconds)

    async def answer(
        self,
        request: Request,
        work: Work,
        *,
        offered: Sequence[Format] = ROW_FORMATS,
        format: str | None = None,
        snapshot: str | None = None,
        pinned_by: str = "snapshot",
        limiter: CapacityLimiter | None = None,
    ) -> Response:
        """Answer a read: `work` gives the rows from a snapshot, everything else is the same for all of them."""
        chosen = choose(format, request.headers.get("accept", ""), tuple(offered))
        encoding = choose_encoding(request.headers.get("accept-encoding", ""))
        key: Key | None = getattr(request.state, "read_key", None)
        asked = _Asked(request, key, chosen, encoding, snapshot, pinned_by)
        if key is None or not self.cache.limit:
            return await self.in_thread(lambda: self._answer(asked, work), limiter)
        if (others := self._computing.get(key)) is not None:
            await others.wait()  # a new snapshot is asked for by all at once; most answers are kept for the others
            if (found := self.find(key)) is not None:
                return _ready(found, asked)
        mine = self._computing[key] = anyio.Event()
        try:
            return await self.in_thread(lambda: self._answer(asked, work), limiter)
        finally:
            mine.set()
            if self._computing.get(key) is mine:
                del self._computing[key]

    def _answer(self, asked: "_Asked", work: Work) -> Response:
        if asked.key is not None and (found := self.find(asked.key)) is not None:  # computed while this one waited
            return _ready(found, asked)
        try:
            return self._compute(asked, work)
        except SnapshotDamaged as damage:
            self.warehouse.condemn(damage)
            if asked.snapshot is not None:
                raise
        return self._compute(asked, work)  # from the snapshot served in its place

    def _compute(self, asked: "_Asked", work: Work) -> Response:
        with self.warehouse.lease(asked.snapshot, field=asked.pinned_by) as snapshot:
            etag = _etag(snapshot.id, asked)
            if matches(asked.if_none_match, etag):
                return _unchanged(etag, asked)
            answer = work(snapshot, self.executor)
            facts, snapshot_id = snapshot.facts, snapshot.id
        headers = _headers(asked, facts, answer)
        if answer.is_lasting:
            headers |= {"ETag": etag, **_caching(asked)}
        if isinstance(answer, Rows) and answer.table.nbytes > self.settings.read_stream_mb * 2**20:
            chunks: Iterator[bytes] = render(answer, asked.format, facts)
            if asked.encoding is not None:
                chunks = compress_stream(chunks, asked.encoding)
                headers["Content-Encoding"] = asked.encoding
            return StreamingResponse(chunks, headers=headers, media_type=asked.format.content_type)
        body = (
            render_document(answer, facts)
            if isinstance(answer, Document)
            else b"".join(render(answer, asked.format, facts))
        )
        if asked.encoding is not None and len(body) >= WORTH_COMPRESSING:
            body = compress(body, asked.encoding)
            headers["Content-Encoding"] = asked.encoding
        response = Response(body, headers=headers, media_type=asked.format.content_type)
        if answer.is_lasting and asked.key is not None:
            is_pinned = asked.snapshot is not None
            self.cache.put(asked.key, Encoded(snapshot_id, is_pinned, etag, response.raw_headers, body))
        return response


@dataclass(frozen=True)
class _Asked:
    """What the request says, apart from which rows it wants."""

    request: Request
    key: Key | None
    format: Format
    encoding: str | None
    snapshot: str | None
    pinned_by: str

    @property
    def if_none_match(self) -> bytes:
        return self.request.headers.get("if-none-match", "").encode("latin-1")


def _etag(snapshot_id: str, asked: _Asked) -> str:
    url = asked.request.url
    what = [_SOFTWARE, snapshot_id, url.path, url.query, asked.format.name, asked.encoding or ""]
    return f'"{hashlib.blake2b(chr(0).join(what).encode(), digest_size=12).hexdigest()}"'


def _caching(asked: _Asked) -> dict[str, str]:
    # A named snapshot never changes; the served one is asked for again, and answered with 304 while it is the same.
    lasting = "public, max-age=86400, immutable" if asked.snapshot is not None else "public, no-cache"
    return {"Cache-Control": lasting, "Vary": "Accept, Accept-Encoding"}


def _headers(asked: _Asked, facts: dict[str, Any], answer: Rows | Document) -> dict[str, str]:
    headers = snapshot_headers(facts) | {"Cache-Control": "no-store", "Vary": "Accept, Accept-Encoding"}
    if answer.row_count is not None:
        headers["X-Row-Count"] = str(answer.row_count)
    if isinstance(answer, Rows):
        if asked.format not in (JSON, GEOJSON):  # these have room for them
            told = {f"X-{name.replace('_', '-').title()}": json.dumps(value) for name, value in answer.members.items()}
            headers |= {name: text for name, text in told.items() if len(text) <= _LONGEST_HEADER}
        if answer.next_cursor is not None:
            url = asked.request.url.include_query_params(cursor=answer.next_cursor)
            headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
            headers["X-Next-Cursor"] = answer.next_cursor
    return headers


def snapshot_headers(facts: dict[str, Any]) -> dict[str, str]:
    """The envelope's facts for formats that have no room for them."""
    named = {
        "X-Snapshot-Id": facts["id"],
        "X-Snapshot-Published-At": facts["published_at"],
        "X-Run-Id": facts["run_id"],
        "X-Source": facts["source"],
        "X-Newest-Observation": facts["newest_observation"],
        "X-Attribution": facts["attribution"].replace("é", "e"),  # headers are ASCII
    }
    return {name: value for name, value in named.items() if value}


def _ready(found: Encoded, asked: _Asked) -> Response:
    if matches(asked.if_none_match, found.etag):
        return _unchanged(found.etag, asked)
    response = Response(found.body)
    response.raw_headers = found.headers
    return response


def _unchanged(etag: str, asked: _Asked) -> Response:
    return Response(status_code=304, headers={"ETag": etag, **_caching(asked)})


def matches(if_none_match: bytes, etag: str) -> bool:
    """Whether If-None-Match names this ETag (weak comparison, as RFC 9110 wants for it)."""
    named = [part.strip().removeprefix(b"W/") for part in if_none_match.split(b",")]
    return etag.encode() in named or b"*" in named

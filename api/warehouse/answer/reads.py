"""From a request to its answer: snapshot, ETag, limits, rendering, compression, cache."""

import json
import math
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, TypeVar

import anyio
from anyio import CapacityLimiter, to_thread
from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from api.address import at
from api.caller import caller_of
from api.warehouse.answer.cache import AnswerCache, Encoded, Key
from api.warehouse.answer.cursors import Cursor
from api.warehouse.answer.encodings import WORTH_COMPRESSING, choose_encoding, compress, compress_stream
from api.warehouse.answer.etags import is_unchanged, make_etag, not_modified
from api.warehouse.answer.formats import GEOJSON, JSON, Format
from api.warehouse.answer.outgoing import Outgoing
from api.warehouse.answer.ranges import Whole
from api.warehouse.answer.render import Document, Rows, render, render_document
from api.warehouse.answer.shares import Shares
from api.warehouse.open.execute import Executor
from api.warehouse.open.pool import Warehouse
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import Busy, SnapshotDamaged
from api.warehouse.settings import WarehouseSettings
from api.warehouse.sql.sql_runner import SqlRunner

_T = TypeVar("_T")
Work = Callable[[OpenSnapshot, Executor], Rows | Document]

_LONGEST_HEADER = 2_000  # proxies refuse answers whose headers are longer than 4 or 8 kB in all

# Clients that read within this time will probably read again.
_LATELY_SECONDS = 60

# Part of every ETag: a new version of the software may write the same rows otherwise.
_SOFTWARE = version("girouette")


class Reads:
    """What all read routes share; opened and closed with the application."""

    def __init__(self, warehouse: Warehouse, settings: WarehouseSettings) -> None:
        self.warehouse, self.settings = warehouse, settings
        self.executor = Executor(settings)
        self.sql = SqlRunner(settings)
        self.cache = AnswerCache(settings.read_cache_mb * 2**20)
        self._limiter = CapacityLimiter(settings.read_concurrency)
        self._shares = Shares(settings.read_concurrency, settings.read_queue_seconds)
        self.outgoing = Outgoing()
        self._asked_at = -math.inf
        self._computing: dict[Key, anyio.Event] = {}  # answers that a request is computing
        # Separate, so that slow SQL of callers never delays other reads.
        self.sql_limiter = CapacityLimiter(settings.sql_processes)
        self.sql_shares = Shares(settings.sql_processes, settings.read_queue_seconds)

    def close(self) -> None:
        """Stop the SQL processes and the thread of the deadlines."""
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

    async def find(self, key: Key) -> Encoded | None:
        """Find an answer in the cache; if another request is computing it, wait for that one first."""
        self._asked_at = time.monotonic()
        found = self._find(key)
        if found is None and (others := self._computing.get(key)) is not None:
            await others.wait()  # once only: an answer that cannot be kept is computed by all who wait
            found = self._find(key)
        return found

    @contextmanager
    def _computing_alone(self, key: Key | None) -> Iterator[None]:
        """Let other requests for the same answer wait until it is computed (or the request has failed)."""
        if key is None or not self.cache.limit or key in self._computing:
            yield
            return
        self._computing[key] = anyio.Event()
        try:
            yield
        finally:
            self._computing.pop(key).set()

    def _find(self, key: Key) -> Encoded | None:
        found = self.cache.get(key)
        if found is None:
            return None
        if found.is_pinned:
            is_right = self.warehouse.is_kept(found.snapshot_id)
        else:
            is_right = found.snapshot_id == self.warehouse.served_id
        if is_right:
            return found
        self.cache.forget(key)
        return None

    async def in_thread(self, request: Request, work: Callable[[], _T]) -> _T:
        """Run blocking work in a thread, within the caller's share; raises Busy when none becomes free in time."""
        async with self._place(request):
            return await self._in_thread(work)

    def _place(self, request: Request, limiter: CapacityLimiter | None = None) -> AbstractAsyncContextManager[None]:
        shares = self.sql_shares if limiter is self.sql_limiter else self._shares
        return shares.place(caller_of(request))

    async def _in_thread(self, work: Callable[[], _T], limiter: CapacityLimiter | None = None) -> _T:
        # Only the wait for a thread can be cancelled. Work that has started always ends.
        with anyio.move_on_after(self.settings.read_queue_seconds):
            return await to_thread.run_sync(work, limiter=limiter or self._limiter)
        raise Busy(self.settings.read_queue_seconds)

    async def answer(
        self,
        request: Request,
        work: Work,
        format: Format,
        *,
        snapshot: str | None = None,
        pinned_by: str = "snapshot",
        cursor: Cursor | None = None,
        limiter: CapacityLimiter | None = None,
    ) -> Response:
        """Answer a read: `work` gives the rows from a snapshot, everything else is the same for all of them.

        A page is read from the snapshot of its `cursor`, whatever else is served by then.
        """
        key: Key | None = getattr(request.state, "read_key", None)
        pinned = (cursor.snapshot_id, "cursor") if cursor else (snapshot, pinned_by)
        asked = _ReadRequest(request, key, format, choose_encoding(request.headers), *pinned)
        # The others wait only for one who has a place, and not for the sending of its body.
        async with self._place(request, limiter):
            if key is not None and (found := await self.find(key)) is not None:
                response, size = found.respond(request.headers), len(found.body)
            else:
                with self._computing_alone(key):
                    response, size = await self._in_thread(lambda: self._answer(asked, work), limiter)
        held_until_sent(request, self.outgoing.hold(caller_of(request), size))
        return response

    def _answer(self, asked: "_ReadRequest", work: Work) -> tuple[Response, int]:
        try:
            return self._compute(asked, work)
        except SnapshotDamaged as damage:
            self.warehouse.condemn(damage)
            if asked.snapshot is not None:
                raise
        return self._compute(asked, work)  # from the snapshot served in its place

    def _compute(self, asked: "_ReadRequest", work: Work) -> tuple[Response, int]:
        """Give the answer, and how many bytes it holds until it is sent."""
        with self.warehouse.lease(asked.snapshot, field=asked.pinned_by) as snapshot:
            url = asked.request.url
            etag = make_etag(
                _SOFTWARE, snapshot.id, at(url.path), url.query, asked.format.name, asked.encoding or "identity"
            )
            if is_unchanged(asked.request.headers, etag):
                return not_modified({"ETag": etag, **asked.caching}), 0
            answer = work(snapshot, self.executor)
            facts, snapshot_id = snapshot.facts, snapshot.id
        headers = _headers(asked, facts, answer)
        if answer.is_lasting:
            headers |= {"ETag": etag, **asked.caching}
        if isinstance(answer, Rows) and answer.table.nbytes > self.settings.read_stream_mb * 2**20:
            chunks: Iterator[bytes] = render(answer, asked.format, facts)
            if asked.encoding is not None:
                chunks = compress_stream(chunks, asked.encoding)
                headers["Content-Encoding"] = asked.encoding
            return StreamingResponse(chunks, headers=headers, media_type=asked.format.content_type), answer.table.nbytes
        body = (
            render_document(answer, facts)
            if isinstance(answer, Document)
            else b"".join(render(answer, asked.format, facts))
        )
        if asked.encoding is not None and len(body) >= WORTH_COMPRESSING:
            body = compress(body, asked.encoding)
            headers["Content-Encoding"] = asked.encoding
        if answer.is_lasting:
            headers["Accept-Ranges"] = "bytes"  # only of answers with an ETag, so that parts can be told to be of one
        response = Whole(body, headers=headers, media_type=asked.format.content_type)
        if answer.is_lasting and asked.key is not None:
            is_pinned = asked.snapshot is not None
            self.cache.put(Encoded(asked.key, snapshot_id, is_pinned, etag, response.raw_headers, body))
        return response, len(body)


def held_until_sent(request: Request, holding: AbstractContextManager[None]) -> None:
    """Enter a context that is left when the answer to this request is sent, or its reader has gone."""
    held: ExitStack = request.state.held
    held.enter_context(holding)


@dataclass(frozen=True)
class _ReadRequest:
    """What decides how an answer is written, whatever its rows are."""

    request: Request
    key: Key | None
    format: Format
    encoding: str | None
    snapshot: str | None
    pinned_by: str

    @property
    def caching(self) -> dict[str, str]:
        """A named snapshot never changes. The served one is asked for again, and gives 304 while it is the same."""
        lasting = "public, max-age=86400, immutable" if self.snapshot is not None else "public, no-cache"
        return {"Cache-Control": lasting, "Vary": "Accept, Accept-Encoding"}


def _headers(asked: _ReadRequest, facts: dict[str, Any], answer: Rows | Document) -> dict[str, str]:
    headers = snapshot_headers(facts) | {"Cache-Control": "no-store", "Vary": "Accept, Accept-Encoding"}
    if answer.row_count is not None:
        headers["X-Row-Count"] = str(answer.row_count)
    if isinstance(answer, Rows):
        if asked.format not in (JSON, GEOJSON):  # these hold the members themselves
            told = {f"X-{name.replace('_', '-').title()}": json.dumps(value) for name, value in answer.members.items()}
            headers |= {name: text for name, text in told.items() if len(text) <= _LONGEST_HEADER}
        if answer.next_cursor is not None:
            url = asked.request.url.include_query_params(cursor=answer.next_cursor)
            headers["Link"] = f'<{at(url.path)}?{url.query}>; rel="next"'
            headers["X-Next-Cursor"] = answer.next_cursor
    return headers


def snapshot_headers(facts: dict[str, Any]) -> dict[str, str]:
    """Give the facts of a snapshot as headers, for formats that cannot hold them."""
    named = {
        "X-Snapshot-Id": facts["id"],
        "X-Snapshot-Published-At": facts["published_at"],
        "X-Run-Id": facts["run_id"],
        "X-Source": facts["source"],
        "X-Newest-Observation": facts["newest_observation"],
        "X-Attribution": facts["attribution"],
    }
    return {name: _as_ascii(value) for name, value in named.items() if value}


def _as_ascii(text: str) -> str:
    """Leave out accents, which headers cannot hold, and what else is not ASCII."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()

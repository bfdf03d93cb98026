"""From a request for a page to its HTML: snapshot, what the view gathers, template, ETag, compression, cache."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request, Response

from api.address import at
from api.errors import ApiProblem
from api.page.assets import asset_digest
from api.page.chart_bundle import try_bundle
from api.page.freshness import read_freshness
from api.page.headers import SECURITY
from api.page.reader import Reader, read_reader
from api.page.run_status import RunStatus, RunStatusBoard
from api.page.templates import render
from api.service import service_of
from api.warehouse.answer.cache import AnswerCache, Encoded
from api.warehouse.answer.dependencies import reads_of
from api.warehouse.answer.encodings import choose_encoding, compress
from api.warehouse.answer.etags import is_unchanged, make_etag, not_modified
from api.warehouse.answer.reads import Reads
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import NoSnapshot, SnapshotDamaged

Context = dict[str, Any]
# What a view gathers for its template from one snapshot; None when nothing was published yet.
Gather = Callable[[OpenSnapshot, Executor, Reader], Context]

_CACHE_BYTES = 16 * 2**20


class Pages:
    """What pages keep between requests; one for the application."""

    def __init__(self) -> None:
        self.cache = AnswerCache(_CACHE_BYTES)
        self.board = RunStatusBoard()
        self._is_preparing = False

    def prepare_charts(self, folder: Path) -> None:
        """Have the chart program ready before a station is opened; nobody waits for it, and it is made once."""
        if not self._is_preparing:
            self._is_preparing = True
            threading.Thread(target=try_bundle, args=(folder,), name="chart-bundle", daemon=True).start()


@dataclass(frozen=True)
class View:
    """One view: its template, what it needs of the snapshot, and what is known already."""

    template: str
    gather: Gather | None = None
    live: Context | None = None  # what does not come from the snapshot: such a page is not kept
    needs_snapshot: bool = True


async def answer(request: Request, view: View) -> Response:
    """Answer with a view, with the empty page before the first snapshot, or with what is wrong, as a page."""
    reads, pages = reads_of(request), pages_of(request)
    status = await pages.board.read(service_of(request))
    encoding = choose_encoding(request.headers)
    try:
        reader = read_reader(request)
        asked = _PageRequest(request, view, reader, status, encoding)
        return await reads.in_thread(request, lambda: _answer(asked, reads, pages))
    except ApiProblem as problem:
        reader = _fallback_reader(request)
        shell = _shell(_PageRequest(request, view, reader, status, encoding), None)
        html = render("problem.html", reader, {**shell, "problem": problem})
        headers = {**SECURITY, "Cache-Control": "no-store", **(problem.headers or {})}
        return Response(html, problem.status, headers=headers, media_type="text/html")


@dataclass(frozen=True)
class _PageRequest:
    request: Request
    view: View
    reader: Reader
    status: RunStatus
    encoding: str | None


def _answer(asked: _PageRequest, reads: Reads, pages: Pages) -> Response:
    try:
        with reads.warehouse.lease() as snapshot:
            pages.prepare_charts(reads.warehouse.paths.page_cache)
            return _from_snapshot(asked, snapshot, reads.executor, pages.cache)
    except SnapshotDamaged as damage:
        reads.warehouse.condemn(damage)  # the next request is answered from the one served in its place
        raise
    except NoSnapshot:
        template = "empty.html" if asked.view.needs_snapshot else asked.view.template
        html = render(template, asked.reader, {**_shell(asked, None), **(asked.view.live or {})})
        return _response(asked, html.encode(), None)


def _from_snapshot(asked: _PageRequest, snapshot: OpenSnapshot, executor: Executor, cache: AnswerCache) -> Response:
    shell = _shell(asked, snapshot)
    etag = None
    if asked.view.live is None:
        etag = _etag(asked, snapshot, shell)
        if is_unchanged(asked.request.headers, etag):
            return not_modified({"ETag": etag, **_caching()})
        key = (etag, b"", "", "")
        if (found := cache.get(key)) is not None:
            return found.respond(asked.request.headers)
    gathered = asked.view.gather(snapshot, executor, asked.reader) if asked.view.gather else {}
    html = render(asked.view.template, asked.reader, {**shell, **gathered, **(asked.view.live or {})})
    response = _response(asked, html.encode(), etag)
    if etag is not None:
        cache.put(Encoded(key, snapshot.id, False, etag, response.raw_headers, bytes(response.body)))
    return response


def _response(asked: _PageRequest, body: bytes, etag: str | None) -> Response:
    headers = {**SECURITY, **_caching()} if etag else {**SECURITY, "Cache-Control": "no-store"}
    if etag:
        headers["ETag"] = etag
    if asked.encoding is not None:
        body = compress(body, asked.encoding)
        headers["Content-Encoding"] = asked.encoding
    return Response(body, headers=headers, media_type="text/html")


def _caching() -> dict[str, str]:
    return {"Cache-Control": "private, no-cache", "Vary": "Accept-Encoding, Accept-Language"}


def _etag(asked: _PageRequest, snapshot: OpenSnapshot, shell: Context) -> str:
    """Of the snapshot, the address, the reader, and the few words about now."""
    url, reader, freshness = asked.request.url, asked.reader, shell["freshness"]
    told = (freshness.words, freshness.level) if freshness else ()
    what = [asset_digest(), snapshot.id, at(url.path), url.query, reader.tag, reader.zone, *told]
    what += [asked.status.stamp, asked.encoding or ""]
    return make_etag(*what)


def _shell(asked: _PageRequest, snapshot: OpenSnapshot | None) -> Context:
    """What every page shows around its view."""
    return {
        "request": asked.request,
        "reader": asked.reader,
        "status": asked.status,
        "snapshot": snapshot.facts if snapshot else None,
        "freshness": read_freshness(snapshot, asked.reader) if snapshot else None,
        "prefect_ui": service_of(asked.request).settings.prefect_api_url.removesuffix("/api"),
    }


def _fallback_reader(request: Request) -> Reader:
    """Read the reader without the address, whose values may be what is wrong."""
    return read_reader(Request({**request.scope, "query_string": b""}))


def pages_of(request: Request) -> Pages:
    """Give what this application's pages keep."""
    pages: Pages = request.app.state.pages
    return pages

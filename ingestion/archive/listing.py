"""The open archive over HTTP: data.gouv.fr's listing of files, and downloads that go on where they were cut.

Addresses are taken from the listing and never built: the archive has moved before. No token is needed.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import httpx
import stamina

from ingestion.archive.load import Origin
from ingestion.departments import Department
from ingestion.errors import UpstreamDown
from ingestion.settings import IngestionSettings
from ingestion.tls import tls

LISTING = "https://www.data.gouv.fr/api/2/datasets/6569b51ae64326786e4e8e1a/resources/"  # official days
_PAGE_SIZE, _MOST_PAGES = 100, 100
_DAYS_FILE = re.compile(r"^Q_(\d+)_.+_RR-T-Vent\.csv(\.gz)?$")


@dataclass(frozen=True)
class Listed:
    """One file of the listing."""

    resource_id: str
    name: str
    url: str
    bytes: int | None
    last_modified: datetime

    def origin(self, etag: str | None) -> Origin:
        return Origin(self.name, self.last_modified, self.resource_id, self.url, etag)


class _TryAgain(Exception):
    """A failed try that another may better."""


class ArchiveClient:
    """Reads the listing and fetches files. Raises UpstreamDown."""

    def __init__(self, http: httpx.AsyncClient, attempts: int) -> None:
        self._http, self._attempts = http, attempts

    async def list_days(self, department: Department) -> list[Listed]:
        """Every file of official days (rain, temperature, wind) of one département, oldest label first."""
        found: list[Listed] = []
        code = department.station_prefix
        url: str | None = f"{LISTING}?page=1&page_size={_PAGE_SIZE}&type=main&q=departement_{code}"
        for _ in range(_MOST_PAGES):
            page = await self._json(url)
            found += [listed for told in page["data"] if (listed := _listed(told, code)) is not None]
            url = page.get("next_page")
            if not url:
                break
        return sorted(found, key=lambda listed: listed.name)

    async def fetch(self, listed: Listed, target: Path) -> str | None:
        """Download one file to `target`; return its ETag. A download that breaks off goes on where it was cut."""
        target.unlink(missing_ok=True)
        etag: list[str | None] = [None]  # outlives a try that breaks off
        try:
            async for attempt in self._retrying():
                with attempt:
                    await self._fetch_rest(listed, target, etag)
        except _TryAgain as error:
            raise UpstreamDown(f"{listed.url}: {error}", self._attempts, 0) from error
        return etag[0]

    async def _fetch_rest(self, listed: Listed, target: Path, etag: list[str | None]) -> None:
        there = target.stat().st_size if target.exists() else 0
        # If-Range: a file that changed meanwhile is sent whole.
        headers = {"Range": f"bytes={there}-", "If-Range": etag[0]} if there and etag[0] else {}
        try:
            async with self._http.stream("GET", listed.url, headers=headers) as answer:
                _require_success(answer)
                etag[0] = answer.headers.get("etag")
                with target.open("ab" if answer.status_code == httpx.codes.PARTIAL_CONTENT else "wb") as file:
                    async for part in answer.aiter_raw():
                        file.write(part)
        except httpx.TransportError as error:
            raise _TryAgain(str(error) or type(error).__name__) from error

    async def _json(self, url: str | None) -> dict[str, Any]:
        try:
            async for attempt in self._retrying():
                with attempt:
                    try:
                        answer = await self._http.get(str(url))
                        _require_success(answer)
                        page: dict[str, Any] = answer.json()
                    except (httpx.TransportError, ValueError) as error:
                        raise _TryAgain(str(error) or type(error).__name__) from error
        except _TryAgain as error:
            raise UpstreamDown(f"{url}: {error}", self._attempts, 0) from error
        return page

    def _retrying(self) -> AsyncIterator[Any]:
        return aiter(stamina.retry_context(on=_TryAgain, attempts=self._attempts, wait_initial=0.5))


def _require_success(answer: httpx.Response) -> None:
    if answer.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
        raise _TryAgain(f"status {answer.status_code}")


def _listed(told: dict[str, Any], code: str) -> Listed | None:
    """Read one entry; None for documents and for files of other quantities or départements."""
    name = PurePosixPath(urlsplit(told["url"]).path).name
    found = _DAYS_FILE.match(name)
    if found is None or found[1] != code:
        return None
    modified = datetime.fromisoformat(told["last_modified"])
    modified = modified if modified.tzinfo else modified.replace(tzinfo=UTC)
    return Listed(told["id"], name, told["url"], told.get("filesize"), modified)


@asynccontextmanager
async def open_archive(settings: IngestionSettings) -> AsyncIterator[ArchiveClient]:
    """Open the client of the open archive, or of the demo's own where the demo source is used."""
    timeout = httpx.Timeout(settings.read_timeout_seconds, connect=settings.connect_timeout_seconds)
    if settings.source == "demo":
        from ingestion.demo.archive import create_demo_archive  # late: runs on real data do not need it

        http = httpx.AsyncClient(transport=httpx.ASGITransport(create_demo_archive()), timeout=timeout)
    else:
        http = httpx.AsyncClient(timeout=timeout, verify=tls(), follow_redirects=True)
    async with http:
        yield ArchiveClient(http, settings.max_attempts)

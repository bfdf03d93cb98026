"""The open archive over HTTP: data.gouv.fr's listings, the change log, and downloads that go on where they were cut.

Addresses are taken from the listing and never built: the archive has moved before. No token is needed.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import stamina

from ingestion.archive.datasets import DAYS, ArchiveDataset
from ingestion.archive.ledger import Dataset
from ingestion.archive.load import Origin
from ingestion.archive.received_file import years_of
from ingestion.departments import Department
from ingestion.durable import sync, write_durably
from ingestion.errors import UpstreamDown
from ingestion.settings import IngestionSettings
from ingestion.tls import tls

LISTING = DAYS.listing
_PAGE_SIZE, _MOST_PAGES = 100, 100
_ASKED_ONE_BY_ONE = 12  # départements; for more, the whole listing is fewer requests
# The change log lies beside the folder that holds the files, wherever the listing says that is.
_FILES_FOLDER, _CHANGE_LOG = "/synchro_ftp/", "/updated_files.json"

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Listed:
    """One file of the listing."""

    dataset: Dataset
    department: str  # its code, without leading zero
    period: str
    resource_id: str
    name: str
    url: str
    bytes: int | None
    last_modified: datetime

    @property
    def is_latest(self) -> bool:
        return self.period.startswith("latest")

    @property
    def stamp(self) -> str:
        return self.origin(None).stamp

    def origin(self, etag: str | None) -> Origin:
        return Origin(self.name, self.last_modified, self.resource_id, self.url, etag)

    def has_years(self, since: int | None, to: int | None) -> bool:
        """Whether the label's years meet a range; a label without years does."""
        years = years_of(self.period)
        return years is None or ((since is None or years[1] >= since) and (to is None or years[0] <= to))


@dataclass(frozen=True)
class Stamp:
    """What a server says of a file's version."""

    etag: str | None = None
    last_modified: datetime | None = None

    @classmethod
    def of(cls, answer: httpx.Response) -> "Stamp":
        modified = None
        with suppress(ValueError):
            modified = parsedate_to_datetime(answer.headers.get("last-modified", ""))
        return cls(answer.headers.get("etag"), modified)


class _TryAgain(Exception):
    """A failed try that another may better."""


class ArchiveClient:
    """Reads the listings and fetches files. Raises UpstreamDown."""

    def __init__(self, http: httpx.AsyncClient, attempts: int) -> None:
        self._http, self._attempts = http, attempts

    async def list_files(self, dataset: ArchiveDataset, departments: Sequence[Department]) -> list[Listed]:
        """List the files of some départements: by département in the order given, then by name."""
        wanted = {department.code: number for number, department in enumerate(departments)}
        searches = [f"&q=departement_{department.station_prefix}" for department in departments]
        if len(searches) > _ASKED_ONE_BY_ONE:
            searches = [""]
        found: dict[str, Listed] = {}
        for search in searches:
            url: str | None = f"{dataset.listing}?page=1&page_size={_PAGE_SIZE}&type=main{search}"
            for _ in range(_MOST_PAGES):
                page = await self._json(url)
                for told in page["data"]:
                    listed = _listed(dataset, told)
                    if listed is not None and listed.department in wanted:
                        found[listed.resource_id] = listed
                url = page.get("next_page")
                if not url:
                    break
        return sorted(found.values(), key=lambda listed: (wanted[listed.department], listed.name))

    async def read_changes(self, listed: Listed) -> dict[str, date] | None:
        """Read from the change log beside a file when each file changed last; None where there is no such log."""
        folder, found, _ = listed.url.partition(_FILES_FOLDER)
        if not found:
            return None
        try:
            answer = await self._http.get(folder + _CHANGE_LOG)
            answer.raise_for_status()
            told: dict[str, Any] = answer.json()
            changed: dict[str, date] = {}
            for day, files in told.items():
                if not isinstance(files, list):  # `latest_update`
                    continue
                for file in files:
                    name = str(file["name"])
                    changed[name] = max(date.fromisoformat(day), changed.get(name, date.min))
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError):
            return None  # the callers ask for each file instead
        return changed

    async def ask_stamp(self, listed: Listed) -> Stamp:
        """Ask for a file's version without its content."""
        return Stamp.of(await self._retry(listed.url, lambda: self._request("HEAD", listed.url)))

    async def fetch(self, listed: Listed, target: Path) -> Stamp:
        """Download one file to `target`; return its version.

        A download that breaks off goes on where it was cut, also after the process was killed: its part and its
        version lie beside `target`. A file that changed meanwhile is fetched whole.
        """
        return await self._retry(listed.url, lambda: self._fetch_rest(listed, target))

    async def _fetch_rest(self, listed: Listed, target: Path) -> Stamp:
        part, version = target.with_name(f"{target.name}.part"), target.with_name(f"{target.name}.etag")
        known = version.read_text() if version.exists() else None
        there = part.stat().st_size if known and part.exists() else 0
        headers = {"Accept-Encoding": "identity"}
        if there and known:
            headers |= {"Range": f"bytes={there}-", "If-Range": known}
        async with self._http.stream("GET", listed.url, headers=headers) as answer:
            is_there = answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and there
            if is_there and answer.headers.get("content-range", f"bytes */{there}") == f"bytes */{there}":
                stamp = Stamp(known, Stamp.of(answer).last_modified)  # killed between the last byte and its name
            else:
                if is_there:
                    version.unlink()
                _require_success(answer)
                stamp = Stamp.of(answer)
                is_rest = answer.status_code == httpx.codes.PARTIAL_CONTENT
                if not is_rest:
                    part.unlink(missing_ok=True)
                    version.unlink(missing_ok=True)
                    # A weak ETag does not promise equal bytes: such a download begins at its start each time.
                    if stamp.etag and not stamp.etag.startswith("W/"):
                        write_durably(version, stamp.etag.encode())
                with part.open("ab" if is_rest else "wb") as file:
                    async for chunk in answer.aiter_raw():
                        file.write(chunk)
        sync(part)
        part.replace(target)
        sync(target.parent)
        return stamp

    async def _json(self, url: str | None) -> dict[str, Any]:
        async def ask() -> dict[str, Any]:
            page: dict[str, Any] = (await self._request("GET", str(url))).json()
            return page

        return await self._retry(str(url), ask)

    async def _request(self, method: str, url: str) -> httpx.Response:
        answer = await self._http.request(method, url)
        _require_success(answer)
        return answer

    async def _retry(self, url: str, ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
        try:
            async for attempt in stamina.retry_context(on=_TryAgain, attempts=self._attempts, wait_initial=0.5):
                with attempt:
                    try:
                        answer = await ask()
                    except (httpx.TransportError, ValueError) as error:
                        raise _TryAgain(str(error) or type(error).__name__) from error
        except _TryAgain as error:
            raise UpstreamDown(f"{url}: {error}", self._attempts, 0) from error
        return answer


def _require_success(answer: httpx.Response) -> None:
    if answer.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
        raise _TryAgain(f"status {answer.status_code}")


def _listed(dataset: ArchiveDataset, told: dict[str, Any]) -> Listed | None:
    """Read one entry; None for documents and for files of other quantities."""
    name = PurePosixPath(urlsplit(told["url"]).path).name
    found = dataset.file_name.match(name)
    if found is None:
        return None
    modified = datetime.fromisoformat(told["last_modified"])
    return Listed(
        dataset=dataset.name,
        department=found["department"].lstrip("0"),
        period=found["period"].lower(),
        resource_id=told["id"],
        name=name,
        url=told["url"],
        bytes=told.get("filesize"),
        last_modified=modified if modified.tzinfo else modified.replace(tzinfo=UTC),
    )


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

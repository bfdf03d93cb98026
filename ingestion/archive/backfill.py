"""Load the listed files of some départements: what the ledger knows is not fetched again, so a killed one goes on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import anyio
from anyio import to_thread

from ingestion.archive.ledger import ArchiveFile, read_ledger
from ingestion.archive.listing import ArchiveClient, Listed, open_archive
from ingestion.archive.load import Loaded, load_days, renew_climate
from ingestion.archive.received_file import period_of, years_of
from ingestion.departments import Department
from ingestion.durable import make_directory
from ingestion.errors import IngestionError, SourceMismatch, UpstreamDown
from ingestion.paths import DataPaths
from ingestion.settings import IngestionSettings
from ingestion.storage import storage_faults

Say = Callable[[str], None]


@dataclass
class Backfilled:
    """What a back-fill did."""

    loaded: list[ArchiveFile] = field(default_factory=list)
    known: int = 0
    failures: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        rows = sum(entry.rows for entry in self.loaded)
        failed = f", {len(self.failures)} not loaded" if self.failures else ""
        files = "1 file" if len(self.loaded) == 1 else f"{len(self.loaded)} files"
        return f"{files} loaded ({rows:,} days), {self.known} known already{failed}"


def backfill(
    settings: IngestionSettings, departments: Sequence[Department], since: int, say: Say, *, accept: bool = False
) -> Backfilled:
    """Load every listed file with days from the year `since` on, one after another. One that fails is reported.

    Raises UpstreamDown when the listing cannot be read, SourceMismatch.
    """
    return anyio.run(_backfill, settings, departments, since, say, accept)


async def _backfill(
    settings: IngestionSettings, departments: Sequence[Department], since: int, say: Say, accept: bool
) -> Backfilled:
    paths, done = DataPaths(settings.data_dir), Backfilled()
    async with open_archive(settings) as client:
        planned = await _plan(client, departments, since, say)
        number = 0
        for department, files in groupby(planned, key=lambda pair: pair[0]):
            for _, listed in files:
                number += 1
                became = await _try_to_load(settings, client, listed, done, accept=accept)
                say(f"[{number}/{len(planned)}] {listed.name}: {became}")
            with storage_faults(paths):
                await to_thread.run_sync(renew_climate, paths, department.code)
    return done


async def _try_to_load(
    settings: IngestionSettings, client: ArchiveClient, listed: Listed, done: Backfilled, *, accept: bool
) -> str:
    """Load one file unless it is known; say what became of it. An error is noted, so that the others go on."""
    known = _known(DataPaths(settings.data_dir), listed)
    if known and not (accept and known.status == "refused"):
        done.known += 1
        if known.status == "refused":
            done.failures[listed.name] = known.error or "refused before"
        return f"refused before: {known.error}" if known.error else "known already"
    try:
        loaded = await _load(settings, client, listed, accept=accept)
    except SourceMismatch:
        raise
    except IngestionError as error:
        done.failures[listed.name] = str(error)
        return str(error)
    done.loaded.append(loaded.entry)
    return str(loaded)


async def _plan(
    client: ArchiveClient, departments: Sequence[Department], since: int, say: Say
) -> list[tuple[Department, Listed]]:
    planned: list[tuple[Department, Listed]] = []
    for department in departments:
        listed = await client.list_days(department)
        if not listed:
            say(f"the listing has no files of days for {department}")
        wanted = (file for file in listed if (years := years_of(period_of(file.name))) is None or years[1] >= since)
        planned += [(department, file) for file in wanted]
    if not planned:
        raise UpstreamDown("the listing names no file of days for what was asked", 1, 0)
    return planned


def _known(paths: DataPaths, listed: Listed) -> ArchiveFile | None:
    stamp = listed.origin(None).stamp
    return next(
        (f for f in read_ledger(paths).files if (f.resource_id, f.last_modified) == (listed.resource_id, stamp)), None
    )


async def _load(settings: IngestionSettings, client: ArchiveClient, listed: Listed, *, accept: bool) -> Loaded:
    paths = DataPaths(settings.data_dir)
    with storage_faults(paths):
        make_directory(paths.archive / "incoming")
        file = paths.archive / "incoming" / listed.name
        try:
            etag = await client.fetch(listed, file)
            return await to_thread.run_sync(
                lambda: load_days(paths, file, listed.origin(etag), settings.source, accept=accept, more_follow=True)
            )
        finally:
            file.unlink(missing_ok=True)

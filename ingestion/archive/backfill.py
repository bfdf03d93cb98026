"""Carry out a plan: fetch files two at once, load one at a time. Killed at any point, it goes on where it stood."""

import hashlib
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from anyio.from_thread import BlockingPortal, start_blocking_portal
from filelock import FileLock, Timeout

from ingestion.archive.ledger import ArchiveFile, Ledger, Wanted, ledger_lock, read_ledger, write_ledger
from ingestion.archive.listing import ArchiveClient, Listed, open_archive
from ingestion.archive.load import Loaded, load_file, renew_climate
from ingestion.archive.plan import (
    Plan,
    Wish,
    find_frozen,
    plan_backfill,
    plan_refresh,
    queue_of,
    require_room,
    wanted_of,
)
from ingestion.archive.progress import Progress
from ingestion.departments import Department
from ingestion.durable import make_directory
from ingestion.errors import IngestionError, SourceMismatch, StorageFailed
from ingestion.paths import DataPaths
from ingestion.settings import IngestionSettings
from ingestion.storage import storage_faults

FETCHES_AT_ONCE = 2

Say = Callable[[str], None]
Tell = Callable[[Progress], None]
Outcome = Loaded | IngestionError
LoadAll = Callable[[Sequence[Listed]], Iterable[tuple[Listed, Outcome]]]


@dataclass
class Backfilled:
    """What a back-fill did."""

    loaded: list[ArchiveFile] = field(default_factory=list)
    known: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(entry.rows for entry in self.loaded)

    def __str__(self) -> str:
        failed = f", {len(self.failures)} not loaded" if self.failures else ""
        files = "1 file" if len(self.loaded) == 1 else f"{len(self.loaded)} files"
        told = "".join(f"; {remark}" for remark in self.remarks)
        rows: Counter[str] = Counter()
        for entry in self.loaded:
            rows[entry.dataset] += entry.rows
        what = (
            ", ".join(f"{count:,} {dataset.replace('_', ' ')}" for dataset, count in sorted(rows.items()))
            or "nothing new"
        )
        return f"{files} loaded ({what}), {self.known} known already{failed}{told}"


class Backfill:
    """A back-fill under way. `load` is called by several threads at once."""

    def __init__(self, settings: IngestionSettings, portal: BlockingPortal, client: ArchiveClient) -> None:
        self._settings, self._portal, self._client = settings, portal, client
        self._paths = DataPaths(settings.data_dir)
        self._accept = False
        self._loading = threading.Lock()  # one conversion at a time: each may use 400 MB

    def plan(self, wish: Wish | None) -> Plan:
        """Plan a wish, or without one a refresh, and write it down. Raises UpstreamDown, ArchiveNeedsRoom."""
        ledger = read_ledger(self._paths)
        if wish is None:
            plan = self._portal.call(plan_refresh, self._client, ledger)
        else:
            plan = self._portal.call(plan_backfill, self._client, ledger, wish)
        require_room(plan, self._paths)
        self._accept = wish is not None and wish.accept
        self._change_ledger(lambda ledger: setattr(ledger, "queue", queue_of(plan, ledger)))
        self._sweep(plan)
        return plan

    def load(self, listed: Listed) -> Loaded:
        """Fetch and load one file. Raises IngestionError; the ledger keeps why."""
        folder = self._folder(listed)
        file = folder / listed.name
        try:
            with storage_faults(self._paths):
                make_directory(folder)
                if not file.exists():
                    stamp = self._portal.call(self._client.fetch, listed, file)
                    etag = stamp.etag
                    self._note(listed, lambda wanted: replace(wanted, status="fetched"))
                else:  # fetched by a back-fill that was killed
                    version = folder / f"{listed.name}.etag"
                    etag = version.read_text() if version.exists() else None
                with self._loading:
                    loaded = load_file(
                        self._paths,
                        file,
                        listed.origin(etag),
                        self._settings.source,
                        dataset=listed.dataset,
                        accept=self._accept,
                        more_follow=True,
                    )
        except (SourceMismatch, StorageFailed):
            raise  # no fault of the file: nothing else could be loaded either
        except IngestionError as error:
            self._fail(listed, folder, str(error))
            raise
        self._change_ledger(lambda ledger: ledger.queue.pop(listed.resource_id, None))
        shutil.rmtree(folder, ignore_errors=True)
        return loaded

    def finish(self, department: str) -> None:
        """Compute a département's normals and records from its files in use."""
        with self._loading, storage_faults(self._paths):
            renew_climate(self._paths, department)

    def find_frozen(self) -> list[str]:
        return find_frozen(read_ledger(self._paths), datetime.now(UTC).date())

    def _fail(self, listed: Listed, folder: Path, why: str) -> None:
        """Keep the part of a download that may go on; a whole file that cannot be loaded is fetched again."""
        if (folder / listed.name).exists():
            shutil.rmtree(folder, ignore_errors=True)

        def note(ledger: Ledger) -> None:
            refused = any(
                entry.status == "refused" and entry.resource_id == listed.resource_id and entry.error
                for entry in ledger.files
                if entry.last_modified >= listed.stamp
            )
            if refused:
                ledger.queue.pop(listed.resource_id, None)
            else:
                wanted = ledger.queue.get(listed.resource_id, wanted_of(listed))
                ledger.queue[listed.resource_id] = replace(
                    wanted, status="failed", attempts=wanted.attempts + 1, error=why
                )

        self._change_ledger(note)

    def _note(self, listed: Listed, change: Callable[[Wanted], Wanted]) -> None:
        def note(ledger: Ledger) -> None:
            ledger.queue[listed.resource_id] = change(ledger.queue.get(listed.resource_id, wanted_of(listed)))

        self._change_ledger(note)

    def _change_ledger(self, change: Callable[[Ledger], object]) -> None:
        with storage_faults(self._paths), ledger_lock(self._paths):
            ledger = read_ledger(self._paths)
            before = dict(ledger.queue)
            change(ledger)
            if ledger.queue != before:
                write_ledger(self._paths, ledger)

    def _folder(self, listed: Listed) -> Path:
        """Where a version of a file arrives: what is left of another version is never taken for it."""
        key = hashlib.sha256(f"{listed.url} {listed.stamp}".encode()).hexdigest()[:16]
        return self._paths.archive / "incoming" / key

    def _sweep(self, plan: Plan) -> None:
        """Delete what is left of downloads that are no part of the plan."""
        kept = {self._folder(listed) for listed in plan.to_load}
        for folder in (self._paths.archive / "incoming").glob("*"):
            if folder.is_dir() and folder.suffix != ".spill" and folder not in kept:
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def open_backfill(settings: IngestionSettings, say: Say) -> Iterator[Backfill]:
    """Open the only back-fill of this data directory; wait for another one to end."""
    paths = DataPaths(settings.data_dir)
    with storage_faults(paths):
        make_directory(paths.archive)
        lock = FileLock(paths.archive / "backfill.lock", thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say("another back-fill is at work here: this one waits for it to end")
            lock.acquire()
    try:
        with start_blocking_portal() as portal, portal.wrap_async_context_manager(open_archive(settings)) as client:
            yield Backfill(settings, portal, client)
    finally:
        lock.release()


def carry_out(backfill: Backfill, plan: Plan, load_all: LoadAll, say: Say, tell: Tell | None = None) -> Backfilled:
    """Load a plan's files and renew the normals of each département after its last one. A file that fails is told."""
    done, progress = Backfilled(known=len(plan.known) + len(plan.refused)), Progress.of(plan)
    for note in plan.notes:
        say(note)
    for entry in plan.refused:
        done.failures[entry.name] = entry.error or "refused before"
        say(f"{entry.name}: refused before: {entry.error}")
    if tell:
        tell(progress)
    left = Counter(listed.department for listed in plan.to_load)
    for department in plan.departments:
        if not left[department]:
            backfill.finish(department)
    for number, (listed, outcome) in enumerate(load_all(plan.to_load), start=1):
        say(f"[{number}/{len(plan.to_load)}] {listed.name}: {outcome}")
        rows = 0
        if isinstance(outcome, IngestionError):
            done.failures[listed.name] = str(outcome)
        else:
            done.loaded.append(outcome.entry)
            rows = outcome.entry.rows
        progress.count(listed.name, listed.bytes, rows, done.failures.get(listed.name))
        if tell:
            tell(progress)
        left[listed.department] -= 1
        if not left[listed.department]:
            backfill.finish(listed.department)
    done.remarks += backfill.find_frozen()
    return done


def load_in_threads(backfill: Backfill) -> LoadAll:
    """Load files as plain threads, for a terminal."""

    def load(listed: Listed) -> Outcome:
        try:
            return backfill.load(listed)
        except (SourceMismatch, StorageFailed):
            raise
        except IngestionError as error:
            return error

    def load_all(files: Sequence[Listed]) -> Iterable[tuple[Listed, Outcome]]:
        pool = ThreadPoolExecutor(FETCHES_AT_ONCE)
        try:
            yield from zip(files, pool.map(load, files), strict=True)
        finally:
            pool.shutdown(cancel_futures=True)  # after an error the files that wait are not begun

    return load_all


def backfill(
    settings: IngestionSettings,
    departments: Sequence[Department],
    since: int | None,
    say: Say,
    *,
    to: int | None = None,
    datasets: Sequence[str] = ("days",),
    accept: bool = False,
    tell: Tell | None = None,
) -> Backfilled:
    """Load every listed file of the data sets with any of the years `since` to `to`. One that fails is reported.

    Raises UpstreamDown when the listing cannot be read, SourceMismatch, ArchiveNeedsRoom, StorageFailed.
    """
    wish = Wish(departments, datasets, since, to, accept)
    with open_backfill(settings, say) as opened:
        return carry_out(opened, opened.plan(wish), load_in_threads(opened), say, tell)


def refresh(settings: IngestionSettings, say: Say, *, tell: Tell | None = None) -> Backfilled:
    """Load what changed upstream of the départements that the archive has, and what failed before."""
    with open_backfill(settings, say) as opened:
        return carry_out(opened, opened.plan(None), load_in_threads(opened), say, tell)

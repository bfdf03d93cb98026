"""Load one file of days or of hours into the archive: convert, check, then register it. Any order ends the same."""

import errno
import json
import os
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from ingestion.archive.climate import write_climate
from ingestion.archive.columns import lost_columns
from ingestion.archive.days_file import write_days
from ingestion.archive.hours_days import write_days_of_hours, write_partial_hours
from ingestion.archive.hours_file import write_hours
from ingestion.archive.ledger import (
    ArchiveFile,
    Dataset,
    Ledger,
    ledger_lock,
    read_ledger,
    settle_department,
    winners_over,
    write_ledger,
)
from ingestion.archive.received_file import MEMORY, Received, period_of, receive, years_of
from ingestion.durable import PARTIAL, make_directory, sync
from ingestion.errors import ArchiveFileRefused, FileUnreadable, SourceMismatch
from ingestion.paths import DataPaths
from ingestion.raw_store import literal

_SPARE = 200_000_000  # bytes of disk left to the hourly runs


@dataclass(frozen=True)
class Origin:
    """Where a file comes from; of a file given by hand, its name and modification time."""

    name: str
    last_modified: datetime
    resource_id: str | None = None
    url: str | None = None
    etag: str | None = None

    @property
    def stamp(self) -> str:
        return self.last_modified.astimezone(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Loaded:
    """What came of one file."""

    entry: ArchiveFile
    is_new: bool

    def __str__(self) -> str:
        entry = self.entry
        if not self.is_new:
            return "nothing new: this file is known"
        posts = "1 post" if entry.posts == 1 else f"{entry.posts} posts"
        what = entry.dataset.replace("_", " ")
        rows = f"{entry.rows:,} {what}" if entry.rows != 1 else f"1 {what.removesuffix('s')}"
        days = f"{rows} of {posts}, {entry.first_day} to {entry.last_day}"
        unknown = f"; unknown columns kept: {', '.join(entry.unknown_columns)}" if entry.unknown_columns else ""
        return f"{days}{unknown}" if entry.status == "loaded" else f"{days}: a later file has them already{unknown}"


def given_by_hand(file: Path) -> Origin:
    """Take a captured file's name and modification time for its origin; raises FileUnreadable."""
    try:
        return Origin(file.name, datetime.fromtimestamp(file.stat().st_mtime, UTC))
    except OSError as error:
        raise FileUnreadable(file, error.strerror or str(error)) from error


def load_file(
    paths: DataPaths,
    file: Path,
    origin: Origin,
    source: str,
    *,
    dataset: Dataset | None = None,
    accept: bool = False,
    more_follow: bool = False,
) -> Loaded:
    """Load one file, by default of the data set that its header tells.

    With `accept` it may have far fewer rows than the one before. With `more_follow`, what is computed from the
    département's files waits for `renew_climate`, which the caller owes it.

    Raises ArchiveFileRefused, SourceMismatch. A kill at any point leaves what was loaded before as it was: only the
    ledger, replaced at once, says which files are in use.
    """
    _refuse_other_source(paths, read_ledger(paths), source)
    period = period_of(origin.name)
    received = receive(file, dataset)
    known = _known(read_ledger(paths), received, period)
    if known and known.status != "refused" and known.last_modified >= origin.stamp:
        return Loaded(known, is_new=False)
    try:
        entry = _write(paths, received, origin, period)
        if not accept:
            _refuse_lost_columns(paths, entry)
    except ArchiveFileRefused as refused:
        _record_refusal(paths, refused, received, origin, period, source)
        raise
    was_accepted = known is not None and known.is_accepted
    entry = replace(entry, is_accepted=accept or was_accepted)
    return _register(paths, entry, source, with_climate=not more_follow)


def renew_climate(paths: DataPaths, department: str) -> None:
    """Compute what follows from a département's files in use, unless it is there already."""
    with ledger_lock(paths):
        ledger = read_ledger(paths)
        before = _computed(ledger, department)
        _compute(paths, ledger, department)
        if before != _computed(ledger, department):
            write_ledger(paths, ledger)


def _compute(paths: DataPaths, ledger: Ledger, department: str) -> None:
    """Note where the normals and records of a département's days are, and the days of its hours."""
    days = [*ledger.in_use(department, "days"), *ledger.in_use(department, "other_days")]
    if days:
        ledger.climate[department] = write_climate(paths, department, days)
    if hours := ledger.in_use(department, "hours"):
        ledger.from_hours[department] = write_days_of_hours(paths, department, hours)
        ledger.partial_hours[department] = write_partial_hours(paths, department, hours)


def _computed(ledger: Ledger, department: str) -> list[str | None]:
    return [folders.get(department) for folders in (ledger.climate, ledger.from_hours, ledger.partial_hours)]


def _known(ledger: Ledger, received: Received, period: str) -> ArchiveFile | None:
    told = (received.dataset, period, received.digest)
    return next((entry for entry in ledger.files if (entry.dataset, entry.period, entry.digest) == told), None)


def _refuse_other_source(paths: DataPaths, ledger: Ledger, source: str) -> None:
    for held in (ledger.source, _published_source(paths)):
        if held is not None and held != source:
            raise SourceMismatch(held, source, paths.root)


def _published_source(paths: DataPaths) -> str | None:
    """Read the source from the served snapshot's manifest: to open the build file could stop a run that needs it."""
    try:
        manifest = json.loads((paths.published.resolve().parent / "manifest.json").read_text(encoding="utf-8"))
        source: str | None = manifest["source"]
    except (OSError, ValueError, KeyError):  # nothing published yet
        return None
    return source


def _write(paths: DataPaths, received: Received, origin: Origin, period: str) -> ArchiveFile:
    """Write the rows under their lasting name. Until they are registered, nobody reads them."""
    incoming = paths.archive / "incoming"
    make_directory(incoming)
    _require_room(paths, received)
    partial = incoming / f"{received.digest}-{secrets.token_hex(4)}{PARTIAL}"  # two loads may meet
    try:
        write = write_hours if received.dataset == "hours" else write_days
        written = write(received, partial, years_of(period))
        target = paths.archive / received.dataset / written.department / period / f"{received.digest}.parquet"
        make_directory(target.parent)
        if not target.exists():  # else readers may have it open
            sync(partial)
            partial.chmod(0o444)
            partial.replace(target)
            sync(target.parent)
    finally:
        partial.unlink(missing_ok=True)
        shutil.rmtree(f"{partial}.spill", ignore_errors=True)
    return replace(
        _describe(received, origin, period, written.department),
        rows=written.rows,
        posts=written.posts,
        first_day=written.first_day.isoformat(),
        last_day=written.last_day.isoformat(),
        unknown_columns=written.unknown_columns,
        file=target.relative_to(paths.root).as_posix(),
    )


def _describe(received: Received, origin: Origin, period: str, department: str) -> ArchiveFile:
    """Write down a file as it was received, whatever becomes of it."""
    return ArchiveFile(
        dataset=received.dataset,
        department=department,
        period=period,
        digest=received.digest,
        name=origin.name,
        last_modified=origin.stamp,
        loaded_at=datetime.now(UTC).isoformat(timespec="seconds"),
        bytes=received.bytes,
        header_digest=received.header_digest,
        resource_id=origin.resource_id,
        url=origin.url,
        etag=origin.etag,
    )


def _require_room(paths: DataPaths, received: Received) -> None:
    """Raise ENOSPC before anything is written: the rows are smaller than the file, what is sorted may be larger."""
    if shutil.disk_usage(paths.root).free < 4 * received.bytes + _SPARE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(paths.archive))


def _register(paths: DataPaths, entry: ArchiveFile, source: str, *, with_climate: bool) -> Loaded:
    """Give the file its place among the département's files, and compute what follows from it, in one change."""
    with ledger_lock(paths):
        ledger = read_ledger(paths)
        _refuse_other_source(paths, ledger, source)
        ledger.source = source
        ledger.put(entry)
        _settle(paths, ledger, entry.department)
        if with_climate:
            _compute(paths, ledger, entry.department)
        write_ledger(paths, ledger)
    settled = ledger.find(entry.key)
    assert settled is not None  # noqa: S101 - it was just put there
    if settled.status == "refused":
        raise ArchiveFileRefused(settled.name, f"{settled.error}; --accept takes it all the same")
    return Loaded(settled, is_new=True)


def join_ledgers(paths: DataPaths, other: Ledger) -> None:
    """Bring the files of this folder's ledger into another host's, which takes its place. Any order ends the same.

    The caller holds `ledger_lock` and has laid the other's files.
    """
    here = read_ledger(paths)
    if here.source and other.source and here.source != other.source:
        raise SourceMismatch(here.source, other.source, paths.root)
    other.source = other.source or here.source
    new = [entry for entry in here.files if other.find(entry.key) is None]
    for entry in new:
        other.put(entry)
    for department in sorted({entry.department for entry in new}):
        _settle(paths, other, department)
        _compute(paths, other, department)
    loaded = {(entry.resource_id, entry.last_modified) for entry in other.files}
    waiting = {
        key: wanted for key, wanted in here.queue.items() if (wanted.resource_id, wanted.last_modified) not in loaded
    }
    other.queue = waiting | other.queue
    write_ledger(paths, other)


def _settle(paths: DataPaths, ledger: Ledger, department: str) -> None:
    """Say of each of a département's files whether it is in use."""
    mine = settle_department([f for f in ledger.files if f.department == department])
    ledger.files = [f for f in ledger.files if f.department != department] + mine
    for covered in _covered(paths, ledger.in_use(department)):
        ledger.put(replace(covered, status="superseded"))


def _covered(paths: DataPaths, files: Sequence[ArchiveFile]) -> list[ArchiveFile]:
    """Files of which later ones hold every row: at the turn of the year a file's rows move to other files."""
    covered = []
    for file in files:
        winners = winners_over(file, files)
        if winners and (not (paths.root / str(file.file)).exists() or _rows_left(paths, file, winners) == 0):
            covered.append(file)
    return covered


def _rows_left(paths: DataPaths, file: ArchiveFile, winners: Sequence[ArchiveFile]) -> int:
    names = ", ".join(literal(paths.root / str(winner.file)) for winner in winners)
    time = "observed_at" if file.dataset == "hours" else "observed_date"
    with duckdb.connect(config={"memory_limit": MEMORY}) as connection:
        row = connection.execute(
            f"select count(*) from read_parquet({literal(paths.root / str(file.file))}) as file"
            f" anti join read_parquet([{names}]) as winner using (station_id, {time})"
        ).fetchone()
    return int(row[0]) if row else 0


def _refuse_lost_columns(paths: DataPaths, entry: ArchiveFile) -> None:
    """Refuse a later version that lost a column's values: upstream renamed the column, or cut it off."""
    for former in read_ledger(paths).in_use(entry.department, entry.dataset):
        is_former = former.period == entry.period and former.rank < entry.rank
        if (
            is_former
            and former.digest != entry.digest
            and (lost := lost_columns(paths.root / str(former.file), paths.root / str(entry.file)))
        ):
            raise ArchiveFileRefused(
                entry.name,
                f"its header has changed: it has few or no values of {', '.join(lost)}, and {former.name} of "
                f"{former.last_modified} had; --accept takes it all the same",
            )


def _record_refusal(
    paths: DataPaths, refused: ArchiveFileRefused, received: Received, origin: Origin, period: str, source: str
) -> None:
    """Tell of a refused file in the ledger too: a back-fill by night has no terminal."""
    parts = origin.name.split("_")
    department = parts[1].lstrip("0") if len(parts) > 2 and parts[0] in ("Q", "H") else ""
    entry = replace(_describe(received, origin, period, department), status="refused", error=refused.why)
    with ledger_lock(paths):
        ledger = read_ledger(paths)
        ledger.source = ledger.source or source
        ledger.put(entry)
        write_ledger(paths, ledger)

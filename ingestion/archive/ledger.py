"""The archive's ledger: which files of days and of hours are in use, which were superseded or refused, and why.

It is one JSON file beside the Parquet files, replaced at once, so a load never waits for an hourly run, and a rebuilt
build file keeps its archive. Each snapshot shows it as `meta.archive_files`.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from filelock import FileLock

from ingestion.durable import make_directory, write_durably
from ingestion.errors import ArchiveUnreadable
from ingestion.paths import DataPaths

VARIABLE = "archive"  # of a reader whose archive lies elsewhere than where it was written
DEPARTMENT = "archive_department"  # of a reader that asks about one station: files of others need not be opened
KEPT_SHARE = 0.98  # of the former file's rows: a file that has fewer lost some

Dataset = Literal["days", "other_days", "hours"]
Status = Literal["loaded", "superseded", "refused"]
WantedStatus = Literal["planned", "fetched", "failed"]


@dataclass(frozen=True)
class ArchiveFile:
    """One file of days or of hours as it was received. Times are UTC, ISO 8601."""

    department: str
    period: str
    digest: str
    name: str
    last_modified: str  # told by the listing; of a file given by hand, its modification time
    loaded_at: str
    bytes: int = 0
    rows: int = 0
    posts: int = 0
    first_day: str | None = None
    last_day: str | None = None
    header_digest: str = ""
    unknown_columns: tuple[str, ...] = ()
    resource_id: str | None = None
    url: str | None = None
    etag: str | None = None
    status: Status = "loaded"
    error: str | None = None
    is_accepted: bool = False  # loaded although it shrank, because somebody said so
    file: str | None = None  # of its rows, relative to the data directory
    dataset: Dataset = "days"

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.dataset, self.department, self.period, self.digest

    @property
    def rank(self) -> tuple[str, bool, str, str]:
        """Of two files with the same day or hour the greater wins: the later one, then `previous` over `latest`."""
        return self.last_modified, not self.period.startswith("latest"), self.digest, self.period

    def overlaps(self, other: "ArchiveFile") -> bool:
        if not (self.first_day and self.last_day and other.first_day and other.last_day):
            return False
        is_same = (self.dataset, self.department) == (other.dataset, other.department)
        return is_same and self.first_day <= other.last_day and other.first_day <= self.last_day  # ISO dates sort


@dataclass(frozen=True)
class Wanted:
    """A listed file that a back-fill is to load. Once it is loaded or refused, it stands in `files` instead."""

    dataset: str
    department: str
    name: str
    resource_id: str
    url: str
    last_modified: str
    bytes: int | None = None
    status: WantedStatus = "planned"
    attempts: int = 0
    error: str | None = None


def winners_over(file: ArchiveFile, files: Sequence[ArchiveFile]) -> list[ArchiveFile]:
    """Find the files that win each row which they share with a file, as happens for a while at the turn of the year."""
    return [other for other in files if other.rank > file.rank and other.overlaps(file)]


@dataclass
class Ledger:
    """Everything known about the archive of one source."""

    source: str | None = None
    files: list[ArchiveFile] = field(default_factory=list)
    climate: dict[str, str] = field(default_factory=dict)  # département to its folder of normals and records
    from_hours: dict[str, str] = field(default_factory=dict)  # département to its folder of days from hours
    partial_hours: dict[str, str] = field(default_factory=dict)  # the same, of hours that real time may complete
    queue: dict[str, Wanted] = field(default_factory=dict)  # by resource id: what the last back-fill still has to load

    def in_use(self, department: str | None = None, dataset: Dataset | None = None) -> list[ArchiveFile]:
        """The files whose rows are served, by département, the winner of a shared day or hour first."""
        found = [
            f
            for f in self.files
            if f.status == "loaded" and department in (None, f.department) and dataset in (None, f.dataset)
        ]
        return sorted(sorted(found, key=lambda f: f.rank, reverse=True), key=lambda f: f.department)

    def find(self, key: tuple[str, str, str, str]) -> ArchiveFile | None:
        return next((f for f in self.files if f.key == key), None)

    def put(self, entry: ArchiveFile) -> None:
        """Add an entry, or replace the one of the same file."""
        self.files = [f for f in self.files if f.key != entry.key] + [entry]

    def parquet_files(self) -> list[str]:
        """Every file that a snapshot of this ledger reads, relative to the data directory."""
        rows = [f.file for f in self.in_use() if f.file]
        climate = [f"{folder}/{name}.parquet" for folder in self.climate.values() for name in CLIMATE]
        from_hours = [f"{folder}/{name}.parquet" for folder in self.from_hours.values() for name in FROM_HOURS]
        partial = [f"{folder}/{name}.parquet" for folder in self.partial_hours.values() for name in PARTIAL]
        return sorted([*rows, *climate, *from_hours, *partial])


CLIMATE = ("coverage", "normals_daily", "normals_monthly", "records")  # a département's, made when its days change
FROM_HOURS = ("days", "coverage")  # the same, when its hours change
PARTIAL = ("partial_hours",)  # the same; absent from a ledger of an older version until the next file is loaded


def settle(files: Sequence[ArchiveFile]) -> list[ArchiveFile]:
    """Say of one period's files which is in use: the latest that kept the former's rows. Any order gives the same."""
    settled: list[ArchiveFile] = []
    current: ArchiveFile | None = None
    for entry in sorted(files, key=lambda f: f.rank):
        if current and 0 < entry.rows < KEPT_SHARE * current.rows and not entry.is_accepted:
            why = f"it has {entry.rows:,} rows, and {current.name} of {current.last_modified} had {current.rows:,}"
            settled.append(replace(entry, status="refused", error=why, file=None))
        elif entry.file is None:  # refused before: its days were not kept
            settled.append(entry)
        else:
            if current:
                settled.append(replace(current, status="superseded", error=None))
            current = entry
    return settled + ([replace(current, status="loaded", error=None)] if current else [])


def settle_department(files: Sequence[ArchiveFile]) -> list[ArchiveFile]:
    """Settle each period of a département, of days and of hours."""
    by_period: dict[tuple[str, str], list[ArchiveFile]] = defaultdict(list)
    for entry in files:
        by_period[entry.dataset, entry.period].append(entry)
    return [entry for period in sorted(by_period) for entry in settle(by_period[period])]


def read_ledger(paths: DataPaths) -> Ledger:
    """Read the ledger; an empty one where nothing was loaded. Raises ArchiveUnreadable."""
    file = paths.archive / "ledger.json"
    try:
        return decode_ledger(file.read_bytes())
    except FileNotFoundError:
        return Ledger()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArchiveUnreadable(file, str(error)) from error


def decode_ledger(content: bytes) -> Ledger:
    """Read a ledger's bytes. Raises ValueError, KeyError or TypeError."""
    told: dict[str, Any] = json.loads(content)
    files = [
        ArchiveFile(**{**entry, "unknown_columns": tuple(entry.get("unknown_columns", ()))}) for entry in told["files"]
    ]
    queue = {wanted["resource_id"]: Wanted(**wanted) for wanted in told.get("queue", ())}
    from_hours, partial = dict(told.get("from_hours", {})), dict(told.get("partial_hours", {}))
    return Ledger(told["source"], files, dict(told["climate"]), from_hours, partial, queue)


def write_ledger(paths: DataPaths, ledger: Ledger) -> None:
    """Replace the ledger, durably; the caller holds `ledger_lock`."""
    ordered = sorted(ledger.files, key=lambda f: (f.department, f.dataset, f.period, f.last_modified, f.digest))
    told = {
        "source": ledger.source,
        "climate": ledger.climate,
        "from_hours": ledger.from_hours,
        "partial_hours": ledger.partial_hours,
        "files": [asdict(entry) for entry in ordered],
        "queue": [asdict(ledger.queue[key]) for key in sorted(ledger.queue)],
    }
    write_durably(paths.archive / "ledger.json", json.dumps(told, indent=1, ensure_ascii=False).encode())


@contextmanager
def ledger_lock(paths: DataPaths) -> Iterator[None]:
    """Hold the right to change the ledger: one registration at a time. Hourly runs do not take this lock."""
    make_directory(paths.archive)
    with FileLock(paths.archive / "ledger.lock"):
        yield

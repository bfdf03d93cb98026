"""What a back-fill or a refresh would load: listed files that the ledger does not know in their present version."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from ingestion.archive.datasets import ARCHIVE_DATASETS
from ingestion.archive.ledger import ArchiveFile, Ledger, Wanted
from ingestion.archive.listing import ArchiveClient, Listed, Stamp
from ingestion.departments import Department, resolve_all
from ingestion.errors import ArchiveNeedsRoom, UpstreamDown
from ingestion.paths import DataPaths

SPARE = 200_000_000  # bytes of disk left to the hourly runs
_ROOM_TO_LOAD = 5  # times the largest file: the download, what is sorted, and the Parquet
# `latest` files grow each day. A newest day that is older than this says that the mirror stands still.
FROZEN_DAYS = 10


@dataclass(frozen=True)
class Wish:
    """What a back-fill is asked for: data sets of départements, files with any of the years `since` to `to`."""

    departments: Sequence[Department]
    datasets: Sequence[str] = ("days",)
    since: int | None = None
    to: int | None = None
    accept: bool = False  # load files that lost rows all the same


@dataclass
class Plan:
    """Files to load, those known already, and what was refused before in its present version."""

    to_load: list[Listed] = field(default_factory=list)
    known: list[ArchiveFile] = field(default_factory=list)
    refused: list[ArchiveFile] = field(default_factory=list)
    departments: tuple[str, ...] = ()  # whose normals are to be up to date at the end
    notes: list[str] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """Bytes to fetch, as far as the listing says them."""
        return sum(listed.bytes or 0 for listed in self.to_load)


async def plan_backfill(client: ArchiveClient, ledger: Ledger, wish: Wish) -> Plan:
    """Plan the files of a wish. Raises UpstreamDown when the listing cannot be read or names no such file."""
    plan = Plan(departments=tuple(department.code for department in wish.departments))
    for name in wish.datasets:
        listed = await client.list_files(ARCHIVE_DATASETS[name], wish.departments)
        there = {file.department for file in listed}
        plan.notes += [
            f"the listing has no files of {name} for {department}"
            for department in wish.departments
            if department.code not in there
        ]
        for file in listed:
            if file.has_years(wish.since, wish.to):
                _sort_in(plan, ledger, file, accept=wish.accept)
    place = {code: number for number, code in enumerate(plan.departments)}
    plan.to_load.sort(key=lambda file: place[file.department])  # so that each département is whole soon
    if not (plan.to_load or plan.known or plan.refused):
        raise UpstreamDown(f"the listing names no file of {', '.join(wish.datasets)} for what was asked", 1, 0)
    return plan


async def plan_refresh(client: ArchiveClient, ledger: Ledger) -> Plan:
    """Plan what changed upstream of the départements that the ledger has files of, and what failed before.

    The listing tells new versions. The change log tells those that the listing does not show yet, and where there is
    no log, each `latest` file is asked for its version.
    """
    plan = Plan(departments=tuple(sorted({entry.department for entry in ledger.in_use()})))
    failed = {key for key, wanted in ledger.queue.items() if wanted.status == "failed"}
    for name in _datasets_of(ledger):
        codes = sorted({entry.department for entry in ledger.in_use() if entry.dataset == name})
        periods = {(entry.department, _family(entry.period)) for entry in ledger.files if entry.dataset == name}
        listed = await client.list_files(ARCHIVE_DATASETS[name], resolve_all(codes))
        changes = await client.read_changes(listed[0]) if listed else None
        for file in listed:
            entry = find_known(ledger, file)
            if entry is None:
                # A file that nobody asked for stays out: refreshing what is there loads no further decades.
                if file.resource_id in failed or (file.department, _family(file.period)) in periods:
                    _sort_in(plan, ledger, file)
            elif entry.status != "refused" and _may_have_changed(file, entry, changes):
                stamp = await client.ask_stamp(file)
                if _is_newer(stamp, entry):
                    plan.to_load.append(_later_than(file, entry, stamp))
                else:
                    plan.known.append(entry)
            else:
                _sort_in(plan, ledger, file)
    return plan


def find_known(ledger: Ledger, listed: Listed) -> ArchiveFile | None:
    """Find the newest version of a listed file that was received, if it is not older than the listed one."""
    same = [
        entry
        for entry in ledger.files
        if (entry.resource_id, entry.name) == (listed.resource_id, listed.name) and entry.last_modified >= listed.stamp
    ]
    return max(same, key=lambda entry: entry.rank, default=None)


def find_frozen(ledger: Ledger, today: date) -> list[str]:
    """Name the `latest` files whose newest day is so old that the mirror must stand still: it answers all the same."""
    newest: dict[tuple[str, str], ArchiveFile] = {}
    for entry in ledger.in_use():
        if entry.period.startswith("latest") and entry.last_day and entry.resource_id:
            before = newest.get((entry.dataset, entry.department))
            if before is None or str(before.last_day) < entry.last_day:
                newest[entry.dataset, entry.department] = entry
    limit = (today - timedelta(days=FROZEN_DAYS)).isoformat()
    return [
        f"{entry.name} ends on {entry.last_day}: the archive seems frozen"
        for _, entry in sorted(newest.items())
        if str(entry.last_day) < limit
    ]


def queue_of(plan: Plan, ledger: Ledger) -> dict[str, Wanted]:
    """The queue while this plan is carried out. What failed before and is not part of it stays named."""
    kept = {key: wanted for key, wanted in ledger.queue.items() if wanted.status == "failed"}
    known = {entry.resource_id for entry in (*plan.known, *plan.refused)}
    queue = {key: wanted for key, wanted in kept.items() if key not in known}
    for listed in plan.to_load:
        before = ledger.queue.get(listed.resource_id)
        wanted = wanted_of(listed)
        is_same = before is not None and before.last_modified == wanted.last_modified
        queue[listed.resource_id] = replace(wanted, attempts=before.attempts) if before and is_same else wanted
    return queue


def wanted_of(listed: Listed) -> Wanted:
    return Wanted(
        dataset=listed.dataset,
        department=listed.department,
        name=listed.name,
        resource_id=listed.resource_id,
        url=listed.url,
        last_modified=listed.stamp,
        bytes=listed.bytes,
    )


def require_room(plan: Plan, paths: DataPaths) -> None:
    """Raise ArchiveNeedsRoom before anything is fetched. Parquet files are smaller than the compressed ones."""
    root = next(folder for folder in (paths.root, *paths.root.absolute().parents) if folder.exists())
    needed = plan.bytes + _ROOM_TO_LOAD * max((listed.bytes or 0 for listed in plan.to_load), default=0) + SPARE
    free = shutil.disk_usage(root).free
    if plan.to_load and free < needed:
        raise ArchiveNeedsRoom(needed, free, paths.root)


def _sort_in(plan: Plan, ledger: Ledger, listed: Listed, *, accept: bool = False) -> None:
    entry = find_known(ledger, listed)
    if entry is None or (accept and entry.status == "refused"):
        plan.to_load.append(listed)
    else:
        (plan.refused if entry.status == "refused" else plan.known).append(entry)


def _datasets_of(ledger: Ledger) -> list[str]:
    """Name the data sets that the ledger has files of."""
    names = {entry.dataset for entry in ledger.in_use()}
    return [name for name in ARCHIVE_DATASETS if name in names]


def _family(period: str) -> str:
    """What stays of a period's label at the turn of the year: `previous-1950-2024` is `previous-1950-2025` then."""
    return period.partition("-")[0] if period.startswith(("latest", "previous")) else period


def _may_have_changed(listed: Listed, entry: ArchiveFile, changes: dict[str, date] | None) -> bool:
    if changes is None:
        return listed.is_latest
    changed = changes.get(listed.name)
    return changed is not None and changed >= datetime.fromisoformat(entry.loaded_at).date()


def _is_newer(stamp: Stamp, entry: ArchiveFile) -> bool:
    if stamp.etag and entry.etag:
        return stamp.etag != entry.etag
    return stamp.last_modified is not None and stamp.last_modified > datetime.fromisoformat(entry.last_modified)


def _later_than(listed: Listed, entry: ArchiveFile, stamp: Stamp) -> Listed:
    """Give a new version a later time than the known one, also where the listing has not told of it yet."""
    known = datetime.fromisoformat(entry.last_modified)
    later = max(stamp.last_modified or known, known + timedelta(seconds=1))
    return replace(listed, last_modified=later.astimezone(UTC))

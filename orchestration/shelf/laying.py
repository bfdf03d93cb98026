"""Snapshots from the shelf as ordinary snapshot folders, laid with the same renames as a local publication."""

import shutil
from collections.abc import Iterable

from ingestion.durable import sync
from ingestion.paths import WAREHOUSE_FILE, DataPaths
from orchestration.shelf.catalogue import Catalogue, Entry, Index
from orchestration.shelf.home import Digests
from orchestration.shelf.store import Store
from orchestration.snapshots.closed_files import discard_unused
from orchestration.snapshots.snapshots import discard, discard_old, kept_snapshots, served_snapshot

_LAYING = ".new-"  # as a publication names it, so that the same sweep deletes what a killed process left


def lay_files(
    store: Store, paths: DataPaths, files: Iterable[tuple[str, Entry]], reread: str | None = None
) -> list[str]:
    """Fetch files that are not here, or are here with other bytes; return which.

    A file with the size and time that it had is not read again, except for the one named `reread`.
    """
    digests = Digests(paths)
    if reread is not None:
        digests.forget(reread)
    laid = []
    try:
        for path, entry in files:
            if not digests.is_held(path, entry):
                target = paths.root / path
                store.download(entry.key, target, entry.size, entry.digest)
                target.chmod(0o444)
                digests.remember(path, entry)
                laid.append(path)
    finally:
        digests.save()
    return laid


def lay_snapshot(store: Store, paths: DataPaths, snapshot_id: str, files: Index) -> None:
    """Fetch a snapshot's own files into its folder, which appears whole or not at all."""
    unfinished = paths.snapshots / f"{_LAYING}{snapshot_id}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        for path, entry in files.items():
            store.download(entry.key, unfinished / path.rpartition("/")[2], entry.size, entry.digest)
        file = unfinished / WAREHOUSE_FILE
        file.chmod(file.stat().st_mode & ~0o222)
        unfinished.rename(paths.snapshots / snapshot_id)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    sync(paths.snapshots)
    digests = Digests(paths)
    for path, entry in files.items():
        digests.remember(path, entry)
    digests.save()


def tidy_laid(paths: DataPaths, catalogue: Catalogue, keep: int) -> None:
    """Delete snapshots over the limit, and on a reader those that the shelf no longer has; then files nobody names."""
    is_reader = not paths.build_file.exists()
    served = served_snapshot(paths)
    here = kept_snapshots(paths)
    gone = [m.id for m in here if m.id not in catalogue.snapshots and (served is None or m.id != served.id)]
    if is_reader:
        for snapshot_id in gone:
            discard(paths, snapshot_id)
    if discard_old(paths, keep) or (is_reader and gone):
        discard_unused(paths)

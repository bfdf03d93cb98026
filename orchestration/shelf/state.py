"""What the next writer starts from: the build file and the archive's ledger, taken from the shelf or put there."""

from collections.abc import Callable

from ingestion.archive.ledger import ledger_lock
from ingestion.paths import WAREHOUSE_FILE, DataPaths
from orchestration.shelf.catalogue import Entry, Index
from orchestration.shelf.home import Base, ledger_digest
from orchestration.shelf.objects import put_files
from orchestration.shelf.store import Store

Say = Callable[[str], None]

BUILD = f"build/{WAREHOUSE_FILE}"
LEDGER = "archive/ledger.json"


def take_build(store: Store, paths: DataPaths, entry: Entry, base: Base) -> None:
    """Replace the build file. One that does not come from the store is kept: files may have been loaded by hand."""
    if base.generation == 0 and paths.build_file.exists():
        paths.build_file.replace(paths.build_file.with_name("before-shelf.duckdb"))
    # First what belongs to the old file: a log applied to another file would damage it.
    paths.build_file.with_name(f"{WAREHOUSE_FILE}.wal").unlink(missing_ok=True)
    store.download(entry.key, paths.build_file, entry.size, entry.digest)


def take_ledger(store: Store, paths: DataPaths, entry: Entry | None, base: Base, say: Say) -> str:
    """Take the archive's ledger, unless only this host has changed it; return the digest of the store's."""
    file = paths.root / LEDGER
    told = entry.digest if entry else ""
    here = ledger_digest(file)
    if entry is None or here == told or (here and told == base.ledger):
        return told
    with ledger_lock(paths):
        if here and here != base.ledger:  # both hosts loaded archive files
            kept = file.with_name(f"ledger-{here[:8]}.json")
            file.replace(kept)
            say(
                f"another host also loaded archive files: the list of this host is now {kept}, "
                "and `make backfill` loads its files again"
            )
        store.download(entry.key, file, entry.size, entry.digest)
    return told


def put_state(store: Store, paths: DataPaths, published: Entry) -> Index:
    """Put the build file and the ledger. `published` is the snapshot's own copy of the build file."""
    build = Entry.of(paths.build_file, f"state/{WAREHOUSE_FILE}")
    if build.digest == published.digest:  # nothing is closed and there is no archive: the snapshot is a copy
        build = published
    else:
        put_files(store, [(build.key, paths.build_file)])
    ledger = paths.root / LEDGER
    if not ledger.exists():
        return {BUILD: build}
    entry = Entry.of(ledger, f"state/{ledger.name}")
    put_files(store, [(entry.key, ledger)])
    return {BUILD: build, LEDGER: entry}

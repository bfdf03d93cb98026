"""What the next writer starts from: the build file and the archive's ledger, taken from the shelf or put there."""

from collections.abc import Callable

from ingestion.archive.ledger import Ledger, decode_ledger, ledger_lock
from ingestion.archive.load import join_ledgers
from ingestion.paths import WAREHOUSE_FILE, DataPaths
from orchestration.errors import ShelfDamaged
from orchestration.shelf.catalogue import Entry, Index
from orchestration.shelf.home import Base, Digests, ledger_digest
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
    """Take the archive's ledger, unless only this host has changed it; return the digest of the store's.

    The files that it names are laid already. A ledger that changed here too is joined with it.
    """
    file = paths.root / LEDGER
    if entry is None:
        return ""
    with ledger_lock(paths):
        here = ledger_digest(file)
        if here == entry.digest or (here and entry.digest == base.ledger):
            return entry.digest
        if here and here != base.ledger:  # both hosts loaded archive files
            join_ledgers(paths, read_put_ledger(store, entry))
            say("another host also loaded archive files: both lists are joined")
        else:
            store.download(entry.key, file, entry.size, entry.digest)
    return entry.digest


def read_put_ledger(store: Store, entry: Entry) -> Ledger:
    """Read a ledger in the store. Raises ShelfAway, ShelfDamaged."""
    found = store.read(entry.key)
    try:
        if found is None or Entry.of_content(found.content, "").digest != entry.digest:
            raise ValueError(entry.key)  # noqa: TRY301 - one way out for all
        return decode_ledger(found.content)
    except (ValueError, KeyError, TypeError) as error:
        raise ShelfDamaged(store.url, entry.key) from error


def put_state(store: Store, paths: DataPaths, published: Entry, digests: Digests) -> Index:
    """Put the build file and the ledger; name the files that the ledger names, for the caller to put.

    `published` is the snapshot's own copy of the build file.
    """
    build = Entry.of(paths.build_file, f"state/{WAREHOUSE_FILE}")
    if build.digest == published.digest:  # nothing is closed and there is no archive: the snapshot is a copy
        build = published
    else:
        put_files(store, [(build.key, paths.build_file)])
    try:
        content = (paths.root / LEDGER).read_bytes()  # once: a back-fill may replace it meanwhile
    except FileNotFoundError:
        return {BUILD: build}
    entry = Entry.of_content(content, f"state/{LEDGER.rpartition('/')[2]}")
    if not store.exists(entry.key):
        store.put(entry.key, content)
    # Also of départements that no snapshot shows yet: the next writer goes on where this back-fill stands.
    named = {path: digests.entry(path) for path in decode_ledger(content).parquet_files()}
    return {BUILD: build, LEDGER: entry, **named}

"""All objects but `served.json`: put once, named by an index, deleted when no index names them any more."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ingestion.durable import write_durably
from ingestion.landing import landed_payloads
from ingestion.paths import DataPaths
from orchestration.errors import ShelfDamaged
from orchestration.progress import KEPT_DAYS
from orchestration.shelf.catalogue import Catalogue, Index, decode_index, encode_index
from orchestration.shelf.store import Conflict, Store

# An upload takes minutes at most. What no index names after a day, a killed or fenced worker left.
_GRACE = timedelta(days=1)
_UPLOADS = 4


def read_index(store: Store, key: str) -> Index:
    """Read an index. Raises ShelfAway, ShelfDamaged."""
    found = store.read(key)
    if found is None:
        raise ShelfDamaged(store.url, key)
    try:
        return decode_index(found.content)
    except (ValueError, TypeError, AttributeError) as error:
        raise ShelfDamaged(store.url, key) from error


def put_index(store: Store, path: str, files: Index) -> str:
    """Put an index and return its key."""
    content, digest = encode_index(files)
    key = f"{path}@{digest[:16]}"
    with suppress(Conflict):  # the same content lies there already
        store.write(key, content, None)
    return key


def put_files(store: Store, files: Iterable[tuple[str, Path]]) -> None:
    """Put files, some at once. A key that exists already holds the same content."""

    def put(key: str, file: Path) -> None:
        if not store.exists(key):
            store.upload(key, file)

    with ThreadPoolExecutor(_UPLOADS) as pool:
        for done in [pool.submit(put, key, file) for key, file in files]:
            done.result()


def put_landed(store: Store, paths: DataPaths, after: str) -> str:
    """Put the payloads landed after the one named `after`; return the name of the newest put."""
    files = [payload.path for folder in sorted(paths.landing.glob("*")) for payload in landed_payloads(folder)]
    names = {file.relative_to(paths.root).as_posix(): file for file in files}
    new = {name: file for name, file in names.items() if name > after}
    put_files(store, new.items())
    return max(new, default=after)


def fetch_landed(store: Store, paths: DataPaths) -> int:
    """Fetch the payloads that other hosts landed; return how many."""
    missing = [key for key in store.keys("landing/") if not (paths.root / key).exists()]
    for key in missing:
        if found := store.read(key):
            target = paths.root / key
            target.parent.mkdir(parents=True, exist_ok=True)
            write_durably(target, found.content)
    return len(missing)


def discard_unnamed(store: Store, catalogue: Catalogue) -> None:
    """Delete objects of snapshots and states that no index names: old ones, and what fenced workers left."""
    named = {*catalogue.snapshots.values(), catalogue.state}
    for key in list(named):
        named |= {entry.key for entry in read_index(store, key).values()}
    old = datetime.now(UTC) - _GRACE
    for prefix in ("snapshots/", "state/", "closed/", "archive/"):
        found = store.keys(prefix)
        store.delete([key for key, written in found.items() if key not in named and written < old])
    records = store.keys("runs/")
    old = datetime.now(UTC) - timedelta(days=KEPT_DAYS)
    store.delete([key for key, written in records.items() if written < old])

"""The shelf: publications in a bucket, which every host follows. Without SHELF_URL there is none.

A worker takes the newest state before a run (`take_state`) and puts the snapshot and its own state after the build
passed (`publish`). One compare-and-swap of `served.json` does both, so of two workers that began from the same
generation exactly one publishes. A reader lays what is served in its own data folder (`follow`).
"""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from ingestion.archive.ledger import ledger_lock
from ingestion.durable import write_durably
from ingestion.landing import landed_payloads
from ingestion.paths import WAREHOUSE_FILE, DataPaths
from orchestration.errors import Fenced, FolderOfItsOwn, ShelfAway, ShelfDamaged, SnapshotNotFound
from orchestration.progress import KEPT_DAYS
from orchestration.shelf.catalogue import SERVED, Catalogue, Entry, Index, read_index, write_index
from orchestration.shelf.home import Base, Digests, ledger_digest, read_base, write_base
from orchestration.shelf.laying import lay_snapshot, tidy_laid
from orchestration.shelf.store import Conflict, Store
from orchestration.snapshots.snapshots import (
    Manifest,
    kept_snapshots,
    read_manifest,
    serve_snapshot,
    served_snapshot,
    write_manifest,
)

Say = Callable[[str], None]

BUILD = f"build/{WAREHOUSE_FILE}"
LEDGER = "archive/ledger.json"
# An upload takes minutes at most. What no index names after a day, a killed or fenced worker left.
_GRACE = timedelta(days=1)
_SWAPS = 20  # others may write between our read and our write, each time something else
_UPLOADS = 4


class Shelf:
    """The store and one data folder. Callers hold the writer's lock, except for `look` and `serve`."""

    def __init__(self, store: Store, paths: DataPaths, keep: int) -> None:
        self.store, self.paths, self.keep = store, paths, keep
        self._etag: str | None = None
        self._catalogue = Catalogue()
        self._lock = threading.Lock()

    def look(self) -> Catalogue:
        """Read what is served; costs a short request while nothing changed."""
        with self._lock:
            if found := self.store.read(SERVED, unless=self._etag):
                try:
                    self._catalogue = Catalogue.decode(found.content)
                except (ValueError, TypeError, KeyError) as error:
                    raise ShelfDamaged(self.store.url, SERVED) from error
                self._etag = found.etag
            return self._catalogue

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever published there: this folder's warehouse is then brought."""
        return self.look().generation == 0

    def take_state(self, say: Say) -> None:
        """Take the build file and the archive if another host has written since. Raises FolderOfItsOwn, ShelfAway.

        Payloads that lie here and are not in the build file taken are loaded by the caller afterwards.
        """
        catalogue = self.look()
        base = self._recognise(catalogue)
        if catalogue.generation == 0:
            return
        # The next publication is numbered after the newest, and compared with the one served.
        self._lay(catalogue, next(reversed(catalogue.snapshots)))
        base = self._serve_here(catalogue, base)
        if base.generation == catalogue.generation and self.paths.build_file.exists():
            return
        files = self._index(catalogue.state)
        self._fetch((path, entry) for path, entry in files.items() if path not in (BUILD, LEDGER))
        ledger = self._take_ledger(files.get(LEDGER), base, say)
        self._put_aside(base)
        # First what belongs to the old file: a log applied to another file would damage it.
        self.paths.build_file.with_name(f"{WAREHOUSE_FILE}.wal").unlink(missing_ok=True)
        entry = files[BUILD]
        self.store.download(entry.key, self.paths.build_file, entry.size, entry.digest)
        write_base(self.paths, replace(base, generation=catalogue.generation, ledger=ledger))
        say(f"took the build file of generation {catalogue.generation} from {self.store.url}")

    def publish(self, folder: Path, manifest: Manifest) -> None:
        """Put a finished snapshot and the build file it was copied from, then serve it everywhere.

        Raises Fenced when another host has published since this folder took its state.
        """
        base = self._recognise(self.look())
        self._require_base(self.look(), base)
        if base.checked != self.store.url:  # the store may have been away when the service started
            self.store.check_conditions()
            base = replace(base, checked=self.store.url)
        base = self._put_landed(base)
        digests = Digests(self.paths)
        shared = {path: digests.entry(path) for path in manifest.shared_files}
        digests.save()
        own: Index = {}
        for file in sorted(folder.iterdir()):
            path = f"snapshots/{manifest.id}/{file.name}"
            own[path] = Entry.of(file, path)
        self._put((entry.key, folder / Path(path).name) for path, entry in own.items())
        state = dict(shared)
        published = own[f"snapshots/{manifest.id}/{WAREHOUSE_FILE}"]
        build = Entry.of(self.paths.build_file, f"state/{WAREHOUSE_FILE}")
        if build.digest == published.digest:  # nothing is closed and there is no archive: the snapshot is a copy
            build = published
        else:
            self._put([(build.key, self.paths.build_file)])
        state[BUILD] = build
        ledger = self.paths.root / LEDGER
        if ledger.exists():
            state[LEDGER] = Entry.of(ledger, f"state/{ledger.name}")
            self._put([(state[LEDGER].key, ledger)])
        known = self._known_keys()
        self._put((entry.key, self.paths.root / path) for path, entry in shared.items() if entry.key not in known)
        index = self._put_index(f"snapshots/{manifest.id}/index.json", own | shared)
        state_index = self._put_index("state/index.json", state)

        def change(catalogue: Catalogue) -> Catalogue:
            self._require_base(catalogue, base)
            return catalogue.with_snapshot(manifest.id, index, state_index, self.keep)

        served = self._swap(change)
        ledger_then = state[LEDGER].digest if LEDGER in state else ""
        write_base(self.paths, replace(base, origin=served.origin, generation=served.generation, ledger=ledger_then))
        with suppress(ShelfAway):  # tried again after the next publication
            self._discard_unnamed(served)

    def record_check(self) -> None:
        """Tell all hosts that a run found nothing newer upstream."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._swap(lambda catalogue: replace(catalogue, checked_at=now))

    def serve(self, snapshot_id: str | None) -> str:
        """Serve another kept snapshot everywhere: the one named, or the one before; return its id."""

        def change(catalogue: Catalogue) -> Catalogue:
            kept = list(catalogue.snapshots)
            before = kept[: kept.index(catalogue.served)] if catalogue.served in kept else []
            wanted = snapshot_id or next(reversed(before), None)
            if wanted is None or wanted not in kept:
                raise SnapshotNotFound(snapshot_id, kept)
            return replace(catalogue, served=wanted)

        return self._swap(change).served

    def follow(self) -> Catalogue:
        """Lay what is served, move the link, then lay one more kept snapshot; return what was read.

        Raises ShelfAway, ShelfDamaged or FolderOfItsOwn; what is served here stays served.
        """
        catalogue = self.look()
        if not catalogue.served:
            return catalogue
        self._serve_here(catalogue, self._recognise(catalogue))
        self._apply_check(catalogue)
        for snapshot_id in list(reversed(catalogue.snapshots))[: self.keep]:
            if self._lay(catalogue, snapshot_id):
                return catalogue
        tidy_laid(self.paths, catalogue, self.keep)
        return catalogue

    def fetch_landed(self) -> int:
        """Fetch the payloads that other hosts landed, for a rebuild; return how many."""
        missing = [key for key in self.store.keys("landing/") if not (self.paths.root / key).exists()]
        for key in missing:
            if found := self.store.read(key):
                target = self.paths.root / key
                target.parent.mkdir(parents=True, exist_ok=True)
                write_durably(target, found.content)
        return len(missing)

    def _recognise(self, catalogue: Catalogue) -> Base:
        """Refuse to mix two warehouses: a folder follows the store it began with."""
        base = read_base(self.paths) or Base()
        if not catalogue.generation:  # empty, or emptied: what lies here is brought, all of it
            return replace(Base(), checked=base.checked)
        # A build file that was never published is a first run that another host's overtook: its payloads are loaded
        # again from the landing zone.
        if base.origin != catalogue.origin and (base.origin or kept_snapshots(self.paths)):
            raise FolderOfItsOwn(self.paths.root, self.store.url)
        return base

    @staticmethod
    def _require_base(catalogue: Catalogue, base: Base) -> None:
        if catalogue.generation != base.generation:
            raise Fenced(base.generation, catalogue.generation)

    def _swap(self, change: Callable[[Catalogue], Catalogue]) -> Catalogue:
        """Change `served.json` by compare-and-swap; what `change` raises ends it."""
        for _ in range(_SWAPS):
            self.look()
            with self._lock:
                before, etag = self._catalogue, self._etag
            wanted = replace(change(before), writer=uuid4().hex)
            try:
                self.store.write(SERVED, wanted.encode(), etag)
            except (Conflict, ShelfAway) as error:
                # An answer may be lost after the write took place: the document then holds our mark.
                if self.look().writer != wanted.writer:
                    if isinstance(error, ShelfAway):
                        raise
                    continue
            return wanted
        raise ShelfAway(self.store.url, f"{SERVED} changed under each of {_SWAPS} tries")

    def _serve_here(self, catalogue: Catalogue, base: Base) -> Base:
        """Lay the served snapshot and move this folder's link to it; the folder belongs to the store from now on."""
        if base.origin != catalogue.origin:
            base = replace(base, origin=catalogue.origin)
            write_base(self.paths, base)
        self._lay(catalogue, catalogue.served)
        served = served_snapshot(self.paths)
        if served is None or served.id != catalogue.served:
            serve_snapshot(self.paths, catalogue.served)
        return base

    def _lay(self, catalogue: Catalogue, snapshot_id: str) -> bool:
        """Lay a snapshot unless it lies here; say whether it was laid now."""
        if (self.paths.snapshots / snapshot_id).exists():
            return False
        files = self._index(catalogue.snapshots[snapshot_id])
        own = {path: entry for path, entry in files.items() if path.startswith("snapshots/")}
        self._fetch((path, entry) for path, entry in files.items() if path not in own)
        lay_snapshot(self.store, self.paths, snapshot_id, own)
        return True

    def _fetch(self, files: Iterable[tuple[str, Entry]]) -> None:
        """Lay shared files that are not here yet."""
        digests = Digests(self.paths)
        try:
            for path, entry in files:
                if not digests.is_held(path, entry):
                    target = self.paths.root / path
                    self.store.download(entry.key, target, entry.size, entry.digest)
                    target.chmod(0o444)
        finally:
            digests.save()

    def _put_aside(self, base: Base) -> None:
        """Keep a build file that does not come from the store: somebody may have loaded files into it by hand."""
        if base.generation == 0 and self.paths.build_file.exists():
            kept = self.paths.build_file.with_name("before-shelf.duckdb")
            self.paths.build_file.replace(kept)

    def _take_ledger(self, entry: Entry | None, base: Base, say: Say) -> str:
        """Take the archive's ledger, unless only this host has changed it; return the digest of the store's."""
        file = self.paths.root / LEDGER
        told = entry.digest if entry else ""
        here = ledger_digest(file)
        if entry is None or here == told or (here and told == base.ledger):
            return told
        with ledger_lock(self.paths):
            if here and here != base.ledger:  # both hosts loaded archive files
                kept = file.with_name(f"ledger-{here[:8]}.json")
                file.replace(kept)
                say(
                    f"another host also loaded archive files: the list of this host is now {kept}, "
                    "and `make backfill` loads its files again"
                )
            self.store.download(entry.key, file, entry.size, entry.digest)
        return told

    def _apply_check(self, catalogue: Catalogue) -> None:
        """Write into the newest snapshot's manifest when upstream was last found to have nothing newer."""
        newest = next(reversed(catalogue.snapshots))
        folder = self.paths.snapshots / newest
        if catalogue.checked_at and folder.exists():
            manifest = read_manifest(folder)
            if manifest.checked_at < catalogue.checked_at:
                write_manifest(folder, replace(manifest, checked_at=catalogue.checked_at))

    def _known_keys(self) -> set[str]:
        """Keys of shared files that the newest publication uses already."""
        catalogue = self.look()
        return {entry.key for entry in self._index(catalogue.state).values()} if catalogue.state else set()

    def _index(self, key: str) -> Index:
        found = self.store.read(key)
        if found is None:
            raise ShelfDamaged(self.store.url, key)
        try:
            return read_index(found.content)
        except (ValueError, TypeError, AttributeError) as error:
            raise ShelfDamaged(self.store.url, key) from error

    def _put_index(self, path: str, files: Index) -> str:
        content, digest = write_index(files)
        key = f"{path}@{digest[:16]}"
        with suppress(Conflict):  # the same content lies there already
            self.store.write(key, content, None)
        return key

    def _put(self, files: Iterable[tuple[str, Path]]) -> None:
        """Put files, some at once. A key that exists already holds the same content."""

        def put(key: str, file: Path) -> None:
            if not self.store.exists(key):
                self.store.upload(key, file)

        with ThreadPoolExecutor(_UPLOADS) as pool:
            for done in [pool.submit(put, key, file) for key, file in files]:
                done.result()

    def _put_landed(self, base: Base) -> Base:
        """Put the payloads landed since the last time: with them any host can rebuild."""
        files = [payload.path for folder in sorted(self.paths.landing.glob("*")) for payload in landed_payloads(folder)]
        names = {file.relative_to(self.paths.root).as_posix(): file for file in files}
        new = {name: file for name, file in names.items() if name > base.landed}
        self._put(new.items())
        base = replace(base, landed=max(new, default=base.landed))
        write_base(self.paths, base)
        return base

    def _discard_unnamed(self, catalogue: Catalogue) -> None:
        """Delete objects of snapshots and states that no index names: old ones, and what fenced workers left."""
        named = {*catalogue.snapshots.values(), catalogue.state}
        for key in list(named):
            named |= {entry.key for entry in self._index(key).values()}
        old = datetime.now(UTC) - _GRACE
        for prefix in ("snapshots/", "state/", "closed/", "archive/"):
            found = self.store.keys(prefix)
            self.store.delete([key for key, written in found.items() if key not in named and written < old])
        records = self.store.keys("runs/")
        old = datetime.now(UTC) - timedelta(days=KEPT_DAYS)
        self.store.delete([key for key, written in records.items() if written < old])

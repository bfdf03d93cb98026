"""The shelf: publications in a bucket, which every host follows. Without SHELF_URL there is none.

A worker takes the newest state before a run (`take_state`) and puts the snapshot and its own state after the build
passed (`publish`). One compare-and-swap of `served.json` does both, so of two workers that began from the same
generation exactly one publishes. A reader lays what is served in its own data folder (`follow`).
"""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from ingestion.archive.ledger import Ledger
from ingestion.paths import WAREHOUSE_FILE, DataPaths
from orchestration.errors import Fenced, FolderOfItsOwn, ShelfAway, SnapshotNotFound
from orchestration.shelf.catalogue import Catalogue, Entry, Index
from orchestration.shelf.home import Base, Digests, read_base, write_base
from orchestration.shelf.laying import lay_files, lay_snapshot, tidy_laid
from orchestration.shelf.objects import discard_unnamed, fetch_landed, put_files, put_index, put_landed, read_index
from orchestration.shelf.served import Served
from orchestration.shelf.state import BUILD, LEDGER, Say, put_state, read_put_ledger, take_build, take_ledger
from orchestration.shelf.store import Store
from orchestration.snapshots.snapshots import (
    MANIFEST,
    Manifest,
    kept_snapshots,
    read_manifest,
    serve_snapshot,
    served_snapshot,
    write_manifest,
)


class Shelf:
    """The store and one data folder. Callers hold the writer's lock, except for `look` and `serve`."""

    def __init__(self, store: Store, paths: DataPaths, keep: int) -> None:
        self.store, self.paths, self.keep = store, paths, keep
        self._served = Served(store)
        self._mended = 0

    def look(self) -> Catalogue:
        """Read what is served; costs a short request while nothing changed."""
        return self._served.look()

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
        files = read_index(self.store, catalogue.state)
        lay_files(self.store, self.paths, [(path, files[path]) for path in files if path not in (BUILD, LEDGER)])
        ledger = take_ledger(self.store, self.paths, files.get(LEDGER), base, say)
        take_build(self.store, self.paths, files[BUILD], base)
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
        base = replace(base, landed=put_landed(self.store, self.paths, base.landed))
        write_base(self.paths, base)
        digests = Digests(self.paths)
        shared = {path: digests.entry(path) for path in manifest.shared_files}
        own: Index = {}
        for file in sorted(folder.iterdir()):
            path = f"snapshots/{manifest.id}/{file.name}"
            own[path] = Entry.of(file, path)
        put_files(self.store, [(entry.key, folder / Path(path).name) for path, entry in own.items()])
        published = own[f"snapshots/{manifest.id}/{WAREHOUSE_FILE}"]
        state = shared | put_state(self.store, self.paths, published, digests)
        digests.save()
        known = self._known_keys()
        new = {path: entry for path, entry in state.items() if path not in (BUILD, LEDGER) and entry.key not in known}
        put_files(self.store, [(entry.key, self.paths.root / path) for path, entry in new.items()])
        index = put_index(self.store, f"snapshots/{manifest.id}/index.json", own | shared)
        state_index = put_index(self.store, "state/index.json", state)

        def change(catalogue: Catalogue) -> Catalogue:
            self._require_base(catalogue, base)
            return catalogue.with_snapshot(manifest.id, index, state_index, self.keep)

        served = self._served.swap(change)
        ledger_then = state[LEDGER].digest if LEDGER in state else ""
        write_base(self.paths, replace(base, origin=served.origin, generation=served.generation, ledger=ledger_then))
        with suppress(ShelfAway):  # tried again after the next publication
            discard_unnamed(self.store, served)

    def record_check(self) -> None:
        """Tell all hosts that a run found nothing newer upstream."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._served.swap(lambda catalogue: replace(catalogue, checked_at=now))

    def serve(self, snapshot_id: str | None) -> str:
        """Serve another kept snapshot everywhere: the one named, or the one before; return its id."""

        def change(catalogue: Catalogue) -> Catalogue:
            kept = list(catalogue.snapshots)
            before = kept[: kept.index(catalogue.served)] if catalogue.served in kept else []
            wanted = snapshot_id or next(reversed(before), None)
            if wanted is None or wanted not in kept:
                raise SnapshotNotFound(snapshot_id, kept)
            return replace(catalogue, served=wanted)

        return self._served.swap(change).served

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

    def mend(self) -> list[str]:
        """Fetch again what is missing or damaged of the served snapshot here; return these files.

        A changed size or time is seen at once. Each call also reads one file whole, in turn.
        """
        catalogue = self.look()
        if not (self.paths.snapshots / catalogue.served).exists() or not catalogue.served:
            return []
        files = read_index(self.store, catalogue.snapshots[catalogue.served])
        del files[f"snapshots/{catalogue.served}/{MANIFEST}"]  # each host notes in its own when a run last checked
        self._mended += 1
        return lay_files(self.store, self.paths, files.items(), sorted(files)[self._mended % len(files)])

    def read_ledger(self) -> Ledger:
        """Read the archive's ledger as last published, for hosts that have none of their own."""
        catalogue = self.look()
        entry = read_index(self.store, catalogue.state).get(LEDGER) if catalogue.state else None
        return read_put_ledger(self.store, entry) if entry is not None else Ledger()

    def fetch_landed(self) -> int:
        """Fetch the payloads that other hosts landed, for a rebuild; return how many."""
        return fetch_landed(self.store, self.paths)

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
        files = read_index(self.store, catalogue.snapshots[snapshot_id])
        own = {path: entry for path, entry in files.items() if path.startswith("snapshots/")}
        lay_files(self.store, self.paths, [(path, entry) for path, entry in files.items() if path not in own])
        lay_snapshot(self.store, self.paths, snapshot_id, own)
        return True

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
        return {entry.key for entry in read_index(self.store, catalogue.state).values()} if catalogue.state else set()

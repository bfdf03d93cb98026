"""The published warehouse: which snapshot is served, which are open, how many readers each has, what is wrong."""

import contextlib
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from api.errors import ApiProblem
from api.warehouse.open.check import find_damage
from api.warehouse.open.snapshot import OpenSnapshot, open_snapshot
from api.warehouse.problems import NoSnapshot, ReadFailed, SnapshotDamaged, SnapshotGone
from api.warehouse.settings import WarehouseSettings
from ingestion.closed_months import missing_files
from ingestion.paths import WAREHOUSE_FILE, DataPaths
from orchestration.snapshots.snapshots import kept_snapshots, read_manifest

_WATCH_SECONDS = 1.0
_CHECK_SECONDS = 30.0
_AGAIN_SECONDS = 1.0  # retry after the machine refused to open one (no rights, too many files)


class Warehouse:
    """Snapshots open for reading. Each is opened once, leased by its readers, and closed after the last one.

    Opening and closing take up to 0.1 s, so the watcher thread does it. The first request that sees the pointer moved
    wakes it. Readers use the old snapshot until the new one is open.
    """

    def __init__(self, paths: DataPaths, settings: WarehouseSettings) -> None:
        self.paths, self.settings = paths, settings
        # Prepares in a new snapshot what readers used of the old one, so that none of them waits for it.
        self.prepare: Callable[[OpenSnapshot, OpenSnapshot], None] | None = None
        self._open: dict[str, OpenSnapshot] = {}  # least recently used first
        self._current: OpenSnapshot | None = None
        self._target: str | None = None  # where the link pointed when _current was chosen
        self._broken: list[OpenSnapshot] = []  # no longer served, not yet closed
        self._damaged: dict[str, str] = {}
        self._refused: dict[str, str] = {}  # by the machine; tried again
        self._again_at = 0.0
        self._checked: dict[str, tuple[float, str | None]] = {}  # when a file was last checked, and what was found
        self._checking = threading.Lock()
        self._lock = threading.RLock()  # guards the fields above; never held while a file is opened
        self._opening = threading.RLock()
        self._wake = threading.Event()
        self._is_closed = False
        self._watcher = threading.Thread(target=self._watch, name="warehouse-watch", daemon=True)

    def start(self) -> None:
        """Open the served snapshot and watch for new ones."""
        self.refresh()
        self._watcher.start()

    def close(self) -> None:
        """Close every file, even under readers."""
        self._is_closed = True
        self._wake.set()
        self._watcher.join()
        with self._lock:
            for snapshot in [*self._open.values(), *self._broken]:
                snapshot.close()
            self._open.clear()
            self._broken.clear()
            self._current = None

    @property
    def served_id(self) -> str | None:
        """The served snapshot's id. Costs one system call and never blocks."""
        current = self._current
        if current is not None and self._read_link() != self._target:
            self._wake.set()
        return current.id if current is not None else None

    def is_kept(self, snapshot_id: str) -> bool:
        """Whether a snapshot is still in the data directory."""
        return os.path.isdir(self.paths.snapshots / snapshot_id)  # noqa: PTH112 - False where nobody may look

    @contextmanager
    def lease(self, snapshot_id: str | None = None, *, field: str = "snapshot") -> Iterator[OpenSnapshot]:
        """Hold a snapshot open: the served one, or the one named. Raises NoSnapshot or SnapshotGone."""
        snapshot = self._hold_served() if snapshot_id is None else self._hold_kept(snapshot_id, field)
        try:
            yield snapshot
        finally:
            self._release(snapshot)

    def condemn(self, damage: SnapshotDamaged) -> None:
        """Stop serving a snapshot if the service's own check finds its file damaged.

        An error at a reader's query is only a reason to check. If the file is well, raises `if_well` or ReadFailed.
        """
        snapshot_id = damage.snapshot_id
        if snapshot_id not in self._damaged and self.is_kept(snapshot_id):
            if (found := self._check(snapshot_id)) is None:
                self._replace_connection(snapshot_id)
                raise damage.if_well or ReadFailed(damage.why.partition("\n")[0])
            damage = SnapshotDamaged(snapshot_id, found)
        with self._lock:
            self._damaged[snapshot_id] = damage.detail
            self._drop(snapshot_id)

    def _check(self, snapshot_id: str) -> str | None:
        """Check a file, at most once in a while: each check reads it whole."""
        with self._checking:
            at, found = self._checked.get(snapshot_id, (-math.inf, None))
            if time.monotonic() - at > _CHECK_SECONDS:
                found = self._find_damage(snapshot_id)
                self._checked[snapshot_id] = (time.monotonic(), found)
            return found

    def _find_damage(self, snapshot_id: str) -> str | None:
        folder = self.paths.snapshots / snapshot_id
        try:
            manifest = read_manifest(folder)
        except OSError:
            return None
        except (ValueError, TypeError) as error:
            return str(error)
        if missing := next(missing_files(self.paths, manifest.shared_files), None):
            return f"its file {missing.name} is missing in {missing.parent}"
        return find_damage(folder / WAREHOUSE_FILE, self.paths.closed if manifest.shared_files else None)

    def _replace_connection(self, snapshot_id: str) -> None:
        """Reopen a file whose connection no longer answers: a fatal error of DuckDB ends all its cursors."""
        with self._lock:
            snapshot = self._open.get(snapshot_id)
            if snapshot is not None and not snapshot.is_alive():
                self._drop(snapshot_id)

    def _drop(self, snapshot_id: str) -> None:
        broken = self._open.pop(snapshot_id, None)
        if broken is not None:
            self._broken.append(broken)
        if self._current is broken:
            self._current, self._target = None, None

    def ping(self) -> bool:
        """Whether reads can be answered."""
        with contextlib.suppress(OSError):
            self.refresh()
        return self._current is not None

    def status(self) -> dict[str, Any]:
        """What /health/ready says about the warehouse. `alarms` name skipped snapshots and why."""
        is_ready = self.ping()
        current = self._current
        alarms = [f"{detail}; it is skipped" for detail in self._damaged.values()]
        alarms += [f"{detail}; it is tried again" for detail in self._refused.values()]
        pointed = self._pointed_id()
        if current is not None and pointed not in (None, current.id):
            alarms.append(f"the pointer names snapshot {pointed}, and {current.id} is served instead")
        return {
            "ready": is_ready,
            "reason": None if is_ready else NoSnapshot(self._why_none()).detail,
            "snapshot": current.facts if current is not None else None,
            "open_snapshots": list(self._open),
            "alarms": alarms,
        }

    def _read_link(self) -> str | None:
        try:
            return os.readlink(self.paths.published)  # noqa: PTH115 - on the way of every request
        except OSError:
            return None

    def _pointed_id(self) -> str | None:
        target = self._read_link()
        return Path(target).parent.name if target else None

    def refresh(self) -> None:
        """Follow the pointer now. If its snapshot cannot be opened, take the newest one that can."""
        with self._opening:
            target = self._read_link()
            if self._current is not None and (target == self._target or time.monotonic() < self._again_at):
                return
            if self._broken:  # DuckDB opens a file again only once the connection that failed is closed
                self._close_unused()
            pointed = self._pointed_id()
            chosen = self._try(pointed) if pointed else None
            if chosen is None and self._current is None:
                others = (manifest.id for manifest in reversed(kept_snapshots(self.paths)))
                chosen = next((found for other in others if (found := self._try(other))), None)
            if chosen is not None and self._current is not None and self.prepare is not None:
                with contextlib.suppress(ApiProblem):  # the next reader gets the error
                    self.prepare(chosen, self._current)
            with self._lock:
                self._current = chosen or self._current
                # Remembered even if it was skipped, so that a damaged file is not tried again at every request.
                self._target = target if pointed not in self._refused else None
            if chosen is not None:
                self._release(chosen)

    def _hold_served(self) -> OpenSnapshot:
        if self.served_id is None:
            self.refresh()  # there is nothing else to answer from
        with self._lock:
            if self._current is None:
                raise NoSnapshot(self._why_none())
            self._current.readers += 1
            return self._current

    def _why_none(self) -> str | None:
        return next(iter([*self._refused.values(), *self._damaged.values()]), None)

    def _hold_kept(self, snapshot_id: str, field: str) -> OpenSnapshot:
        # Open only names of kept folders: an id must never become a path.
        if snapshot_id not in (manifest.id for manifest in kept_snapshots(self.paths)):
            raise SnapshotGone(snapshot_id, field)
        if snapshot_id in self._damaged:
            raise SnapshotDamaged(snapshot_id, self._damaged[snapshot_id])
        return self._hold(snapshot_id)

    def _try(self, snapshot_id: str) -> OpenSnapshot | None:
        if snapshot_id in self._damaged:
            return None
        self._refused.pop(snapshot_id, None)
        try:
            return self._hold(snapshot_id)
        except SnapshotDamaged as damage:
            # A deleted snapshot is not a damaged one.
            if self.is_kept(snapshot_id) or snapshot_id == self._pointed_id():
                (self._refused if damage.is_passing else self._damaged)[snapshot_id] = damage.detail
                self._again_at = time.monotonic() + _AGAIN_SECONDS
            return None

    def _hold(self, snapshot_id: str) -> OpenSnapshot:
        """Open a snapshot unless it is open, and count one more reader."""
        if (held := self._hold_open(snapshot_id)) is not None:
            return held
        with self._opening:
            if (held := self._hold_open(snapshot_id)) is not None:  # another thread has opened it
                return held
            snapshot = open_snapshot(self.paths.snapshots / snapshot_id, self.settings)
            with self._lock:
                snapshot.readers += 1
                self._open[snapshot_id] = snapshot
            return snapshot

    def _hold_open(self, snapshot_id: str) -> OpenSnapshot | None:
        with self._lock:
            snapshot = self._open.pop(snapshot_id, None)
            if snapshot is not None:
                self._open[snapshot_id] = snapshot
                snapshot.readers += 1
            return snapshot

    def _release(self, snapshot: OpenSnapshot) -> None:
        with self._lock:
            snapshot.readers -= 1
            if snapshot.readers == 0 and snapshot in self._broken:
                self._again_at = 0.0  # its file can be opened again
            if len(self._open) > self.settings.read_snapshots_open + 1 or self._broken:
                self._wake.set()

    def _close_unused(self) -> None:
        """Close what has no reader: broken and deleted snapshots, and the least recently used above the limit."""
        with self._lock:
            idle = [s for s in self._open.values() if s is not self._current and s.readers == 0]
            kept = [s for s in idle if self.is_kept(s.id)]
            over = kept[: max(0, len(kept) - self.settings.read_snapshots_open)]
            unused = [s for s in idle if s not in kept] + over
            for snapshot in unused:
                del self._open[snapshot.id]
            unused += [s for s in self._broken if s.readers == 0]
            self._broken = [s for s in self._broken if s.readers > 0]
        # No reader waits here: closing a deleted file also frees its memory and disk space, which takes time.
        for snapshot in unused:
            snapshot.close()

    def _watch(self) -> None:
        while not self._is_closed:
            self._wake.wait(_WATCH_SECONDS)
            self._wake.clear()
            with contextlib.suppress(OSError):
                self.refresh()
                self._close_unused()
                with self._lock:
                    self._damaged = {key: why for key, why in self._damaged.items() if self.is_kept(key)}
                    self._refused = {key: why for key, why in self._refused.items() if self.is_kept(key)}
                    self._checked = {key: found for key, found in self._checked.items() if self.is_kept(key)}

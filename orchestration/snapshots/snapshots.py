"""Published snapshots in `data/snapshots`: list them, find the served one, serve another."""

import errno
import json
import shutil
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingestion.durable import sync, write_durably
from ingestion.paths import WAREHOUSE_FILE, DataPaths
from orchestration.errors import SnapshotNotFound

MANIFEST = "manifest.json"
DISCARDED = ".old-"  # begins the name of a snapshot's folder that is being deleted
MODELS = "models.json"  # dbt's descriptions of the snapshot's models


@dataclass(frozen=True)
class Manifest:
    """Facts about one snapshot. Times are UTC, ISO 8601. The snapshot's file never changes."""

    id: str
    sequence: int  # orders snapshots even when the clock was set back
    published_at: str
    source: str
    row_counts: dict[str, int]
    size_bytes: int
    # Other versions' manifests may lack these fields. Their snapshots are still valid.
    previous: str | None = None
    checked_at: str = ""  # when a run last found nothing newer upstream
    run_id: str | None = None
    departments: list[str] = field(default_factory=list)
    newest_observation: str | None = None
    dbt: dict[str, Any] = field(default_factory=dict)  # nodes by status, seconds, and each node's result
    last_load_id: int = 0
    project_digest: str = ""
    duckdb_version: str = ""
    closed: list[str] = field(default_factory=list)  # files of closed months it reads, relative to the data directory
    archive: list[str] = field(default_factory=list)  # files of the archive it reads, likewise

    @property
    def shared_files(self) -> list[str]:
        """The Parquet files it reads beside its own file."""
        return [*self.closed, *self.archive]


def kept_snapshots(paths: DataPaths) -> list[Manifest]:
    """Read the manifests of every kept snapshot, oldest first; unfinished folders are not snapshots."""
    found = [_read(folder) for folder in paths.snapshots.glob("[0-9]*")] if paths.snapshots.exists() else []
    return sorted((manifest for manifest in found if manifest is not None), key=lambda manifest: manifest.sequence)


def newest_snapshot(paths: DataPaths) -> Manifest | None:
    """Read the newest snapshot's manifest, served or not."""
    kept = kept_snapshots(paths)
    return kept[-1] if kept else None


def served_snapshot(paths: DataPaths) -> Manifest | None:
    """Read the manifest of the snapshot that `data/warehouse.duckdb` points to."""
    return _read(paths.published.resolve().parent) if paths.published.is_symlink() else None


# symlink(2): EPERM where the file system has no symbolic links. FUSE gives the others.
_NO_LINKS = (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP)


def serve_snapshot(paths: DataPaths, snapshot_id: str) -> None:
    """Point `data/warehouse.duckdb` at a snapshot: one atomic rename, durable when it returns."""
    aim_pointer(paths, snapshot_id)
    move_pointer(paths)


def aim_pointer(paths: DataPaths, snapshot_id: str) -> None:
    """Record the snapshot to serve next, which need not exist yet. `move_pointer` then serves it."""
    link = _next_pointer(paths)
    link.unlink(missing_ok=True)
    try:
        link.symlink_to(Path(paths.snapshots.name) / snapshot_id / WAREHOUSE_FILE)
    except OSError as error:
        if error.errno in _NO_LINKS:
            raise OSError(errno.EOPNOTSUPP, "no symbolic link can be made", str(link)) from error
        raise
    sync(paths.root)


def move_pointer(paths: DataPaths) -> None:
    """Serve the snapshot aimed at, if it is complete. This also finishes a killed publication."""
    link = _next_pointer(paths)
    if link.exists():
        link.replace(paths.published)
        sync(paths.root)
    else:
        link.unlink(missing_ok=True)


def _next_pointer(paths: DataPaths) -> Path:
    return paths.published.with_name(f".{WAREHOUSE_FILE}.next")


def roll_back(paths: DataPaths, snapshot_id: str | None = None) -> Manifest:
    """Serve another kept snapshot: the one named, or the one before the one served."""
    kept = kept_snapshots(paths)
    served = served_snapshot(paths)
    before = [m for m in kept if served is not None and m.sequence < served.sequence]
    wanted = [m for m in kept if m.id == snapshot_id] if snapshot_id else before[-1:]
    if not wanted:
        raise SnapshotNotFound(snapshot_id, [manifest.id for manifest in kept])
    serve_snapshot(paths, wanted[0].id)
    return wanted[0]


def discard_old(paths: DataPaths, keep: int) -> list[str]:
    """Delete the oldest snapshots over the limit, never the served one; return their ids.

    A reader with an open snapshot keeps its data until it closes the file.
    """
    served = served_snapshot(paths)
    kept = kept_snapshots(paths)
    old = [manifest.id for manifest in kept[:-keep] if served is None or manifest.id != served.id]
    for snapshot_id in old:
        discard(paths, snapshot_id)
    return old


def discard(paths: DataPaths, snapshot_id: str) -> None:
    """Delete a snapshot. It is renamed first, so that no reader finds a half of it."""
    discarded = paths.snapshots / f"{DISCARDED}{snapshot_id}"
    (paths.snapshots / snapshot_id).rename(discarded)
    shutil.rmtree(discarded)


def record_check(paths: DataPaths, manifest: Manifest) -> Manifest:
    """Record in the manifest that upstream has nothing newer now."""
    checked = replace(manifest, checked_at=datetime.now(UTC).isoformat(timespec="seconds"))
    write_manifest(paths.snapshots / manifest.id, checked)
    return checked


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a manifest atomically and durably."""
    write_durably(folder / MANIFEST, json.dumps(asdict(manifest), indent=2, ensure_ascii=False).encode())


def read_manifest(folder: Path) -> Manifest:
    """Read a manifest of any version. Raises OSError, ValueError or TypeError."""
    facts = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    known = {name.name for name in fields(Manifest)}
    return Manifest(**{name: value for name, value in dict(facts).items() if name in known})


def _read(folder: Path) -> Manifest | None:
    try:
        return read_manifest(folder)
    except (OSError, ValueError, TypeError):
        return None

"""Backs up everything that cannot be rebuilt into one file, while the service runs, and restores it.

In `girouette-<time>.tar.zst`: the landing zone, the build file, closed months, the served snapshot, the records
of runs, Prefect's database when it is ours, watches with their addresses, and last `backup.json`, which lists the other
files with their SHA-256.
"""

import errno
import hashlib
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from filelock import Timeout

from ingestion.durable import PARTIAL, make_directory, sync
from ingestion.paths import DataPaths
from ingestion.raw_store import connect
from ingestion.writer_lock import writer_lock
from orchestration.errors import BackupUnreadable, DirectoryInUse, NotEmpty, NothingToBackUp, TargetUnusable
from orchestration.service.leader import Leadership
from orchestration.snapshots.publish import copy_file
from orchestration.snapshots.snapshots import serve_snapshot, served_snapshot

FORMAT = 1
CONTENTS = "backup.json"
_PREFECT = Path("prefect") / "prefect.db"
_IGNORED = (".gitkeep", "lost+found")
_BACKUP, _RESTORE = ".backup-", ".restore-"
_LONGEST_HOURS = 24  # a temporary folder older than this belongs to a killed process


@contextmanager
def frozen(paths: DataPaths) -> Iterator[Path]:
    """Freeze the files of a backup in a temporary folder, deleted at the end.

    The caller needs the writer's lock only until the folder exists. Landed payloads and snapshots never change, so
    links are enough. The build file is copied.
    """
    if not paths.build_file.exists():
        raise NothingToBackUp(paths.root)
    _sweep(paths)
    folder = Path(tempfile.mkdtemp(prefix=_BACKUP, dir=paths.root))
    try:
        with connect(paths.build_file) as connection:
            connection.execute("checkpoint")
        (folder / "build").mkdir()
        copy_file(paths.build_file, folder / "build" / paths.build_file.name)
        served = served_snapshot(paths)
        kept = list(paths.landing.rglob("*.gz"))
        kept += list(paths.closed.rglob("*.parquet"))
        kept += list(paths.orders.glob("*.json"))
        kept += list(paths.archive.glob("ledger.json"))  # first: a load may replace it while its files are linked
        kept += list(paths.archive.rglob("*.parquet"))
        kept += list((paths.snapshots / served.id).iterdir()) if served is not None else []
        for path in kept:
            link = folder / path.relative_to(paths.root)
            link.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, link)
            except OSError:  # a file system without links
                copy_file(path, link)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_backup(paths: DataPaths, folder: Path, target: Path) -> Path:
    """Write the frozen files and the service's own state as one file under `target`; return the file."""
    _copy_service_state(paths, folder)
    now = datetime.now(UTC)
    try:
        make_directory(target)
    except OSError as error:
        raise TargetUnusable(target, error.strerror or str(error)) from error
    file = target / f"girouette-{now:%Y%m%dT%H%M%SZ}.tar.zst"
    served = sorted((folder / "snapshots").glob("*"))
    digests: dict[str, str] = {}
    partial = file.with_name(file.name + PARTIAL)
    try:
        with partial.open("wb") as raw:
            with (
                pa.CompressedOutputStream(pa.PythonFile(raw, mode="w"), "zstd") as stream,
                tarfile.open(fileobj=stream, mode="w|") as archive,
            ):
                for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                    name = str(path.relative_to(folder))
                    digests[name] = _digest(path)
                    archive.add(path, name)
                about = {
                    "format": FORMAT,
                    "made_at": now.isoformat(timespec="seconds"),
                    "served": served[0].name if served else None,
                    "files": digests,
                }
                contents = folder / CONTENTS
                contents.write_text(json.dumps(about, indent=1))
                archive.add(contents, CONTENTS)
            sync(partial)
        partial.replace(file)
        sync(target)
    except OSError as error:  # the frozen files lie on the data's disk already: what is written is the backup
        raise TargetUnusable(target, error.strerror or str(error)) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    return file


def restore_backup(file: Path, paths: DataPaths, *, force: bool = False) -> dict[str, Any]:
    """Restore a backup into a data directory and serve its snapshot; return the contents of `backup.json`.

    Everything is unpacked and checked before anything is replaced. Raises BackupUnreadable, NotEmpty, or
    DirectoryInUse when a service or a run works there.
    """
    make_directory(paths.root)
    present = [entry for entry in paths.root.iterdir() if entry.name not in _IGNORED]
    if present and not force:
        raise NotEmpty(paths.root)
    folder = Path(tempfile.mkdtemp(prefix=_RESTORE, dir=paths.root))
    try:
        with _nobody_else(paths) if present else nullcontext():
            about = _unpack(file, folder)
            for entry in present:
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
            for entry in folder.iterdir():
                if entry.name != CONTENTS:
                    entry.replace(paths.root / entry.name)
            sync(paths.root)
            if about["served"]:
                serve_snapshot(paths, about["served"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return about


@contextmanager
def _nobody_else(paths: DataPaths) -> Iterator[None]:
    """Keep services and runs out of the data directory. Raises DirectoryInUse when one uses it."""
    leadership = Leadership(paths)
    if not leadership.try_acquire():
        raise DirectoryInUse(paths.root, f"process {(leadership.holder() or {}).get('pid', 'unknown')}")
    try:
        with writer_lock(paths, "a restore", lambda _: None, timeout=0):
            yield
    except Timeout as error:
        raise DirectoryInUse(paths.root, "a run") from error
    finally:
        leadership.release()


def _unpack(file: Path, folder: Path) -> dict[str, Any]:
    """Unpack into `folder` and check every file against `backup.json`."""
    try:
        with (
            file.open("rb") as raw,
            pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd") as stream,
            tarfile.open(fileobj=stream, mode="r|") as archive,
        ):
            for member in archive:
                target = (folder / member.name).resolve()
                if not member.isfile() or not target.is_relative_to(folder.resolve()):
                    raise BackupUnreadable(file, f"it holds {member.name}, which is no file of a backup")
                target.parent.mkdir(parents=True, exist_ok=True)
                source = archive.extractfile(member)
                assert source is not None  # noqa: S101 - a file has content
                with target.open("wb") as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)
                    copy.flush()
                    os.fsync(copy.fileno())
                if not member.mode & 0o077:  # the owner's alone, as it holds secrets
                    target.chmod(0o600)
        about: dict[str, Any] = json.loads((folder / CONTENTS).read_text())
        known = about["format"]
    except (OSError, tarfile.TarError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # the data's disk is full: no fault of the backup
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise BackupUnreadable(file, why) from error
    if known != FORMAT:
        raise BackupUnreadable(file, f"it has format {known}, and this Girouette knows {FORMAT}")
    found = {str(p.relative_to(folder)): _digest(p) for p in folder.rglob("*") if p.is_file() and p.name != CONTENTS}
    if found != about["files"]:
        wrong = sorted(name for name in {*found, *about["files"]} if found.get(name) != about["files"].get(name))
        raise BackupUnreadable(file, f"{len(wrong)} of its files are not what it says, the first is {wrong[0]}")
    return about


def _copy_service_state(paths: DataPaths, folder: Path) -> None:
    if paths.run_records.is_dir():
        shutil.copytree(paths.run_records, folder / paths.run_records.name)
    for database in (_PREFECT, paths.notices.relative_to(paths.root)):
        if not (paths.root / database).exists():
            continue
        (folder / database).parent.mkdir()
        # SQLite's own backup copies a database safely while others write to it.
        with (
            closing(sqlite3.connect(paths.root / database)) as live,
            closing(sqlite3.connect(folder / database)) as copy,
        ):
            live.backup(copy)
        (folder / database).chmod(0o600)  # it may hold addresses, which are secrets


def _sweep(paths: DataPaths) -> None:
    """Delete leftovers of killed backups and restores."""
    for prefix in (_BACKUP, _RESTORE):
        for folder in paths.root.glob(f"{prefix}*"):
            if folder.stat().st_mtime < time.time() - _LONGEST_HOURS * 3600:
                shutil.rmtree(folder, ignore_errors=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

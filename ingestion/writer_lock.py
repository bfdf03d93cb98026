"""One writer at a time: an operating-system lock beside the build file, which dies with its holder."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from ingestion.paths import DataPaths


@contextmanager
def writer_lock(paths: DataPaths, purpose: str, say: Callable[[str], None], *, timeout: float = -1) -> Iterator[None]:
    """Hold the right to write the build file; while another holds it, wait and say for whom.

    Waits for ever unless `timeout` gives the seconds after which filelock's Timeout is raised.
    """
    paths.lock_file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(paths.lock_file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"waiting for {_holder(paths.lock_file)} to finish writing {paths.build_file}")
        lock.acquire(timeout=timeout)
    try:
        _sign(paths.lock_file, purpose)
        yield
    finally:
        lock.release()


def _signature(lock_file: Path) -> Path:
    return lock_file.with_suffix(".json")  # apart: a contender that opens the lock file empties it


def _sign(lock_file: Path, purpose: str) -> None:
    holder = {
        "pid": os.getpid(),
        "purpose": purpose,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    signature = _signature(lock_file)
    partial = signature.with_suffix(".partial")
    partial.write_text(json.dumps(holder))
    partial.replace(signature)


def _holder(lock_file: Path) -> str:
    try:
        holder = json.loads(_signature(lock_file).read_text())
        return f"{holder['purpose']} (process {holder['pid']}, since {holder['since']})"
    except (OSError, ValueError, KeyError):
        return "another process"

"""One leader per data directory: it holds a lock that the operating system releases when it dies."""

import json
import os
from datetime import UTC, datetime
from typing import Any

from filelock import FileLock, Timeout

from ingestion.paths import DataPaths


class Leadership:
    """The right to serve the schedule of one data directory."""

    def __init__(self, paths: DataPaths) -> None:
        # One thread acquires it and another releases it, so the lock belongs to the process.
        self._lock = FileLock(paths.leader_lock, thread_local=False)
        self._signature = paths.leader_lock.with_suffix(".json")

    @property
    def is_held(self) -> bool:
        return self._lock.is_locked

    def try_acquire(self) -> bool:
        """Become the leader unless another process is; raises OSError where the lock cannot be written."""
        if self.is_held:
            return True
        self._signature.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return False
        partial = self._signature.with_suffix(".partial")
        since = datetime.now(UTC).isoformat(timespec="seconds")
        partial.write_text(json.dumps({"pid": os.getpid(), "since": since}))
        partial.replace(self._signature)
        return True

    def release(self) -> None:
        self._lock.release()

    def holder(self) -> dict[str, Any] | None:
        """Return the leader's `pid` and `since`, or None when unreadable."""
        try:
            found: dict[str, Any] = json.loads(self._signature.read_text())
        except (OSError, ValueError):
            return None
        return found

"""How far a back-fill has come, and how long the rest may take."""

import time
from dataclasses import dataclass, field
from typing import Any

from ingestion.archive.plan import Plan


@dataclass
class Progress:
    """Counts of one back-fill. Bytes are those that the listing says; it does not say them of every file."""

    files: int
    bytes: int = 0
    files_done: int = 0
    files_failed: int = 0
    bytes_done: int = 0
    rows: int = 0
    file: str = ""  # the one that ended last, its rows, and why it was not loaded
    file_rows: int = 0
    error: str | None = None
    started: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, plan: Plan) -> "Progress":
        return cls(len(plan.to_load), plan.bytes)

    def count(self, file: str, size: int | None, rows: int, error: str | None) -> None:
        self.file, self.file_rows, self.error = file, rows, error
        self.files_done += 1
        self.files_failed += error is not None
        self.bytes_done += size or 0
        self.rows += rows

    @property
    def share(self) -> float:
        """The part that is done, from 0 to 1: of the bytes where they are known, else of the files."""
        if self.files_done == self.files:
            return 1.0
        return self.bytes_done / self.bytes if self.bytes_done else self.files_done / self.files

    @property
    def seconds_left(self) -> int | None:
        """Seconds until the end at the pace so far; None before the first file."""
        if not self.share or not self.files:
            return None
        return round((time.monotonic() - self.started) * (1 - self.share) / self.share)

    def facts(self) -> dict[str, Any]:
        names = ("files", "files_done", "files_failed", "bytes", "bytes_done", "rows")
        told: dict[str, Any] = {name: getattr(self, name) for name in names}
        return told | {"share": round(self.share, 4), "seconds_left": self.seconds_left}

    def __str__(self) -> str:
        left = f", about {_duration(self.seconds_left)} left" if self.seconds_left else ""
        megabytes = f", {self.bytes_done / 1e6:,.1f} of {self.bytes / 1e6:,.1f} MB" if self.bytes else ""
        return f"{self.files_done} of {self.files} files{megabytes}, {self.rows:,} rows{left}"


def _duration(seconds: int | None) -> str:
    if seconds is None or seconds < 90:
        return f"{seconds} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

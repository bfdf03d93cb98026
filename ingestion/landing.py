"""The landing zone: every payload as received, compressed, named by time and content.

`landing/<source>/<day>/<fetched_at>_<dataset>_<scope>_<hash>.<csv|json>.gz`. A name says all that is
needed to load the payload again, so the build file can be rebuilt from this folder alone.
"""

import gzip
import hashlib
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import cast

from ingestion.durable import PARTIAL, make_directory, write_durably
from ingestion.errors import FileUnreadable
from ingestion.source import PayloadFormat

FILE_SCOPE = "file"  # of payloads that were loaded from a file

_STAMP = "%Y%m%dT%H%M%S%fZ"
_NAME = re.compile(
    r"(?P<stamp>\d{8}T\d{12}Z)_(?P<dataset>[a-z][a-z0-9-]*)"
    r"_(?P<scope>[0-9A-Za-z]+)_(?P<digest>[0-9a-f]{16})\.(?P<format>csv|json)\.gz"
)


@dataclass(frozen=True)
class LandedPayload:
    """One payload in the landing zone."""

    path: Path
    dataset: str  # the name of a Dataset
    scope: str  # what was asked of it, or FILE_SCOPE
    fetched_at: datetime
    digest: str
    format: PayloadFormat

    @classmethod
    def from_path(cls, path: Path) -> "LandedPayload | None":
        """Read a landing file's name; None for a file that is not a payload (a cut write, a stray)."""
        match = _NAME.fullmatch(path.name)
        if match is None:
            return None
        return cls(
            path=path,
            dataset=match["dataset"],
            scope=match["scope"],
            fetched_at=datetime.strptime(match["stamp"], _STAMP).replace(tzinfo=UTC),
            digest=match["digest"],
            format=cast("PayloadFormat", match["format"]),
        )

    def read(self) -> bytes:
        """Return the payload as it was received; raises FileUnreadable."""
        return decompress(self.path.read_bytes(), self.path)


def decompress(data: bytes, file: Path) -> bytes:
    """Decompress what stood in `file`; raises FileUnreadable when it is damaged."""
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise FileUnreadable(file, f"its gzip data is damaged: {error}") from error


def describe_payload(
    folder: Path, body: bytes, dataset: str, scope: str, fetched_at: datetime, format: PayloadFormat
) -> LandedPayload:
    """Name a payload under `folder`, the source's landing zone; nothing is written yet.

    Its time is later than that of every payload there, even when the clock was set back, so that loading
    the zone again in the order of its names ends in the same versions.
    """
    stamp = max(fetched_at.astimezone(UTC), _newest_stamp(folder) + timedelta(microseconds=1))
    digest = hashlib.sha256(body).hexdigest()[:16]
    name = f"{stamp.strftime(_STAMP)}_{dataset}_{scope}_{digest}.{format}.gz"
    return LandedPayload(folder / stamp.date().isoformat() / name, dataset, scope, stamp, digest, format)


def land_payload(landed: LandedPayload, body: bytes) -> None:
    """Write one payload durably, before anyone parses it."""
    make_directory(landed.path.parent)
    write_durably(landed.path, gzip.compress(body, compresslevel=4, mtime=0))


def sweep_partial(folder: Path) -> None:
    """Delete what killed or failed runs left half written; the caller holds the writer's lock."""
    for partial in folder.glob(f"????-??-??/*{PARTIAL}"):
        partial.unlink()


def landed_payloads(folder: Path, since: date | None = None) -> Iterator[LandedPayload]:
    """Yield the payloads under one source's landing zone, oldest first."""
    days = sorted(day for day in folder.glob("????-??-??") if since is None or day.name >= since.isoformat())
    for day in days:
        found = (LandedPayload.from_path(path) for path in sorted(day.iterdir()))
        yield from (payload for payload in found if payload is not None)


def _newest_stamp(folder: Path) -> datetime:
    for day in sorted(folder.glob("????-??-??"), reverse=True):
        names = sorted((path.name for path in day.iterdir() if LandedPayload.from_path(path)), reverse=True)
        if names:
            return datetime.strptime(names[0].split("_")[0], _STAMP).replace(tzinfo=UTC)
    return datetime.min.replace(tzinfo=UTC)

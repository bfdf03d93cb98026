"""What the service knows when it looks for something to tell the operator: gathered here, judged in conditions.py."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ingestion.departments import Department
from ingestion.paths import DataPaths
from orchestration.progress import Record
from orchestration.snapshots.open_snapshot import open_snapshot
from orchestration.snapshots.snapshots import Manifest

_USUAL_DAYS = 7


@dataclass(frozen=True)
class EndedRun:
    """A run as Prefect knows its end."""

    id: str
    is_good: bool
    message: str


@dataclass(frozen=True)
class SnapshotFacts:
    """What a served snapshot says, read once for each."""

    id: str
    newest: datetime | None
    newest_of: Mapping[str, datetime] = field(default_factory=dict)  # by département's code
    findings_today: int = 0  # in the 24 hours up to the newest one
    findings_usual: float | None = None  # a day, in the week before; None with less than three days of it


@dataclass(frozen=True)
class Facts:
    """Everything the conditions look at. What is None is not known now, and changes nothing."""

    now: datetime
    hours: int  # ALERT_HOURS
    started_at: datetime  # of the service
    checked_at: datetime | None = None  # when a run last looked for something newer
    snapshot: SnapshotFacts | None = None
    departments: Sequence[Department] = ()
    runs: Sequence[EndedRun] | None = None  # newest first
    packets: Sequence[Record] | None = None  # of the newest run
    token_notice: str | None = None
    free_bytes: int | None = None
    needed_bytes: int = 0
    unwell: Mapping[str, str] = field(default_factory=dict)  # parts that failed some minutes ago, and why


def read_snapshot_facts(paths: DataPaths, snapshot: Manifest) -> SnapshotFacts:
    """Read the départements' newest hours and the number of findings. Raises duckdb.Error."""
    newest = datetime.fromisoformat(snapshot.newest_observation) if snapshot.newest_observation else None
    if newest is None:
        return SnapshotFacts(snapshot.id, None)
    with open_snapshot(paths, snapshot.id) as connection:
        rows = connection.execute(
            "select department_code, epoch(max(last_observed_at)) from marts.stations"
            " where last_observed_at is not null group by all"
        ).fetchall()
        today = newest - timedelta(days=1)
        counted = connection.execute(
            "select count(*) filter (observed_at > $today),"
            " count(*) filter (observed_at > $week and observed_at <= $today),"
            " date_diff('day', greatest(min(observed_at), $week), $today)"
            " from meta.quality_findings where observed_at <= $newest",
            {"today": today, "week": today - timedelta(days=_USUAL_DAYS), "newest": newest},
        ).fetchone()
    found, before, days = counted or (0, 0, None)
    return SnapshotFacts(
        snapshot.id,
        newest,
        {code: datetime.fromtimestamp(last, newest.tzinfo) for code, last in rows},
        found,
        before / days if days is not None and days >= 3 else None,
    )


def measure_room(paths: DataPaths) -> tuple[int, int]:
    """Give the free bytes of the data folder's disk, and those below which the operator should know.

    A publication copies the build file, and DuckDB writes temporary files beside it.
    """
    build = paths.build_file.stat().st_size if paths.build_file.exists() else 0
    return shutil.disk_usage(paths.root).free, 1_000_000_000 + 3 * build

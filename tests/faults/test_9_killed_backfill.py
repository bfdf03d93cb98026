"""A back-fill killed at any point goes on where it stood, and ends as if it had never been killed."""

import hashlib
import json
import multiprocessing
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import httpx
import pytest
from archive_files import HOURS_HEADER, days_of, hours_of, text_of
from fake_archive import FakeArchive

from ingestion.archive import backfill as backfill_module
from ingestion.archive.backfill import backfill
from ingestion.archive.ledger import read_ledger
from ingestion.archive.listing import ArchiveClient
from ingestion.departments import resolve_all
from ingestion.paths import DataPaths
from ingestion.settings import IngestionSettings

# What Python itself reports before it changes a file or a folder; `test.piece` is a piece of a download.
CHANGES = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "test.piece")
HOURS = "latest-2025-2026"  # a file of hours among those of days
PERIODS = [*(f"{year}-{year + 9}" for year in range(1980, 2020, 10)), HOURS]
STATIONS = {"9": "09289001", "31": "31042012", "65": "65258003", "81": "81284001"}

Tally = Callable[[str], None]


def fill(archive: FakeArchive, departments: list[str], periods: list[str]) -> None:
    for department in departments:
        for period in periods:
            station = STATIONS[department]
            if period == HOURS:
                hours = text_of(hours_of("2025-01-01T00", 400, station), HOURS_HEADER)
                archive.put(f"H_{department.zfill(2)}_{period}.csv.gz", hours, "2026-01-01T00:00:00+00:00")
                continue
            days = days_of(date(int(period[:4]), 1, 1), 400, station)
            name = f"Q_{department.zfill(2)}_{period}_RR-T-Vent.csv.gz"
            archive.put(name, text_of(days), "2026-01-01T00:00:00+00:00")


def run(data_dir: str, departments: list[str], periods: list[str], kill_at: int | None) -> None:
    """Run a back-fill in this process, which kills itself before its n-th change."""
    count = 0

    def count_changes(event: str, arguments: Any) -> None:
        nonlocal count
        if event in CHANGES and (event == "test.piece" or str(arguments[0]).startswith(data_dir)):
            count += 1
            if count == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    archive = FakeArchive(piece=400, on_piece=lambda: sys.audit("test.piece"))
    fill(archive, departments, periods)

    @asynccontextmanager
    async def opened(_: IngestionSettings) -> AsyncIterator[ArchiveClient]:
        async with httpx.AsyncClient(transport=archive) as http:
            yield ArchiveClient(http, 1)

    backfill_module.open_archive = opened  # type: ignore[assignment]
    settings = IngestionSettings(data_dir=Path(data_dir), meteofrance_source="meteofrance", _env_file=None)
    sys.addaudithook(count_changes)
    done = backfill(settings, resolve_all(departments), 1950, lambda _: None, datasets=("days", "hours"))
    if done.failures:
        sys.exit(str(done.failures))


def digest(data_dir: Path) -> dict[str, Any]:
    """Everything that a back-fill leaves, but for the times of loading."""
    paths = DataPaths(data_dir)
    told = json.loads((paths.archive / "ledger.json").read_text())
    for entry in told["files"]:
        del entry["loaded_at"]
    files = [path for path in sorted(paths.archive.rglob("*.parquet")) if "incoming" not in path.parts]
    return {str(path.relative_to(data_dir)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files} | {
        "ledger": told,
        "downloads": [str(path) for path in (paths.archive / "incoming").glob("*") if path.is_dir()],
    }


class Killer:
    """Kills back-fills at points drawn by chance until there were enough, each time in a process of its own."""

    def __init__(self, folder: Path, departments: list[str], periods: list[str], reach: int) -> None:
        self.folder, self.plan, self.reach = folder, (departments, periods), reach
        self.chance = random.Random(26)
        self.context: ForkServerContext = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["ingestion.archive.backfill", "httpx", "archive_files", "fake_archive"])
        self.kills: Counter[str] = Counter()
        self.whole = 0

    def start(self, data_dir: Path, kill_at: int | None) -> int | None:
        process = self.context.Process(target=run, args=(str(data_dir), *self.plan, kill_at))
        process.start()
        process.join(120)
        return process.exitcode

    def until(self, kills: int) -> None:
        undisturbed = self.folder / "undisturbed"
        assert self.start(undisturbed, None) == 0
        expected = digest(undisturbed)
        assert expected["ledger"]["queue"] == expected["downloads"] == []
        assert len(expected["ledger"]["files"]) == len(self.plan[0]) * len(self.plan[1])
        while self.kills.total() < kills:
            data_dir = self.folder / f"killed-{self.whole}"
            while self.kills.total() < kills:
                ended = self.start(data_dir, self.chance.randint(1, self.reach))
                if ended == 0:  # it came to its end before its point
                    break
                assert ended == -signal.SIGKILL
                self.kills[self.look(data_dir)] += 1
            assert self.start(data_dir, None) == 0
            assert digest(data_dir) == expected
            self.whole += 1

    @staticmethod
    def look(data_dir: Path) -> str:
        """What a reader finds after a kill is whole. Return how far the back-fill had come."""
        paths = DataPaths(data_dir)
        ledger = read_ledger(paths)
        assert all((data_dir / file).stat().st_size for file in ledger.parquet_files())
        statuses = Counter(wanted.status for wanted in ledger.queue.values())
        assert "failed" not in statuses
        return f"{len(ledger.in_use())} loaded, {statuses['fetched']} fetched"


def test_a_killed_back_fill_ends_as_if_it_was_not(tmp_path: Path, tally: Tally) -> None:
    killer = Killer(tmp_path, ["9"], PERIODS[-3:], reach=40)
    killer.until(8)
    tally(f"{killer.kills.total()} kills of {killer.whole} back-fills of 3 files ({dict(killer.kills)})")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_at_a_hundred_points_a_back_fill_of_twenty_files_ends_the_same(tmp_path: Path, tally: Tally) -> None:
    killer = Killer(tmp_path, list(STATIONS), PERIODS, reach=90)
    killer.until(100)
    tally(f"{killer.kills.total()} kills of {killer.whole} back-fills of 20 files ({dict(killer.kills)})")

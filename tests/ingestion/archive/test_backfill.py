"""The listing and the downloads: known files are not fetched again, a cut one goes on, a failed one is reported."""

import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import stamina
from archive_files import HOURS_HEADER, days_of, hours_of, text_of
from fake_archive import FakeArchive

from ingestion.archive import backfill as backfill_module
from ingestion.archive import load as load_module
from ingestion.archive.backfill import Backfilled, backfill, open_backfill
from ingestion.archive.climate import write_climate
from ingestion.archive.ledger import ArchiveFile, read_ledger, write_ledger
from ingestion.archive.listing import ArchiveClient
from ingestion.archive.progress import Progress
from ingestion.archive.terminal import shown_progress
from ingestion.demo.archive import create_demo_archive
from ingestion.departments import resolve_all
from ingestion.errors import ArchiveNeedsRoom, UpstreamDown
from ingestion.paths import DataPaths
from ingestion.settings import IngestionSettings

ARIEGE = resolve_all(["9"])


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> FakeArchive:
    archive = FakeArchive()

    @asynccontextmanager
    async def opened(_: IngestionSettings) -> AsyncIterator[ArchiveClient]:
        async with httpx.AsyncClient(transport=archive) as http:
            yield ArchiveClient(http, 3)

    monkeypatch.setattr(backfill_module, "open_archive", opened)
    return archive


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture
def settings(data_dir: Path) -> IngestionSettings:
    return IngestionSettings(data_dir=data_dir, meteofrance_source="meteofrance", _env_file=None)


def told(done: Backfilled) -> str:
    """What it says, without the remark that these files, written by hand, end long ago."""
    assert all("the archive seems frozen" in remark for remark in done.remarks)
    return str(replace(done, remarks=[]))


def names_in_use(data_dir: Path) -> list[str]:
    return sorted(file.name for file in read_ledger(DataPaths(data_dir)).in_use())


PREVIOUS, LATEST = "Q_09_previous-1950-2024_RR-T-Vent.csv.gz", "Q_09_latest-2025-2026_RR-T-Vent.csv.gz"


def fill(archive: FakeArchive) -> None:
    archive.put("Q_09_1850-1949_RR-T-Vent.csv.gz", text_of(days_of(date(1940, 1, 1), 3)), "2026-01-01T00:00:00+00:00")
    archive.put(PREVIOUS, text_of(days_of(date(2020, 1, 1), 500)), "2026-01-01T00:00:00+00:00")
    archive.put(LATEST, text_of(days_of(date(2025, 1, 1), 50)), "2026-02-01T00:00:00+00:00")
    for other in ("Q_09_latest-2025-2026_autres-parametres.csv.gz", "Q_31_latest-2025-2026_RR-T-Vent.csv.gz"):
        archive.put(other, b"", "2026-02-01T00:00:00+00:00")


def test_files_of_days_of_the_departement_are_loaded_once(
    listed: FakeArchive, settings: IngestionSettings, data_dir: Path
) -> None:
    fill(listed)
    said: list[str] = []
    assert told(backfill(settings, ARIEGE, 1991, said.append)) == "2 files loaded (550 days), 0 known already"
    assert said[0].startswith(f"[1/2] {LATEST}: 50 days of 1 post, 2025-01-01 to 2025-02-19")
    assert names_in_use(data_dir) == [LATEST, PREVIOUS]
    listed.asked.clear()
    assert told(backfill(settings, ARIEGE, 1991, said.append)) == "0 files loaded (nothing new), 2 known already"
    assert listed.asked == []
    listed.put(LATEST, text_of(days_of(date(2025, 1, 1), 51)), "2026-02-02T00:00:00+00:00")
    assert backfill(settings, ARIEGE, 1991, said.append).known == 1
    assert [name for name, _ in listed.asked] == [LATEST]
    entry = next(f for f in read_ledger(DataPaths(data_dir)).in_use() if f.name == LATEST)
    assert (entry.rows, entry.resource_id, entry.url) == (51, f"id-{LATEST}", f"https://files.test/some/{LATEST}")
    assert list((data_dir / "archive" / "incoming").iterdir()) == []


def test_normals_are_computed_once_for_all_files_of_a_departement(
    listed: FakeArchive, settings: IngestionSettings, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(listed)
    computed: list[int] = []

    def write(paths: DataPaths, department: str, files: Sequence[ArchiveFile]) -> str:
        computed.append(len(files))
        return write_climate(paths, department, files)

    monkeypatch.setattr(load_module, "write_climate", write)
    backfill(settings, ARIEGE, 1991, print)
    assert computed == [2]
    climate = dict(read_ledger(DataPaths(data_dir)).climate)
    assert set(climate) == {"9"}
    # A back-fill killed before it came to the normals makes up for them.
    paths = DataPaths(data_dir)
    ledger = read_ledger(paths)
    ledger.climate.clear()
    write_ledger(paths, ledger)
    backfill(settings, ARIEGE, 1991, print)
    assert read_ledger(paths).climate == climate


def test_a_download_that_breaks_off_goes_on_where_it_was_cut(listed: FakeArchive, settings: IngestionSettings) -> None:
    fill(listed)
    listed.break_off_at = 100
    assert len(backfill(settings, ARIEGE, 2025, print).loaded) == 1
    assert listed.asked == [(LATEST, None), (LATEST, "bytes=100-")]


def test_hours_are_one_more_data_set(listed: FakeArchive, settings: IngestionSettings, data_dir: Path) -> None:
    fill(listed)
    hours = "H_09_latest-2025-2026.csv.gz"
    listed.put(hours, text_of(hours_of("2025-01-01T00", 30), HOURS_HEADER), "2026-02-01T00:00:00+00:00")
    done = backfill(settings, ARIEGE, 2025, print, datasets=("days", "hours"))
    assert told(done) == "2 files loaded (50 days, 30 hours), 0 known already"
    ledger = read_ledger(DataPaths(data_dir))
    assert {(f.dataset, f.name) for f in ledger.in_use()} == {("hours", hours), ("days", LATEST)}
    assert (set(ledger.climate), set(ledger.from_hours)) == ({"9"}, {"9"})
    assert told(backfill(settings, ARIEGE, 2025, print, datasets=("hours",))).endswith("1 known already")


def test_a_download_given_up_goes_on_with_the_next_back_fill_unless_the_file_changed(
    listed: FakeArchive, settings: IngestionSettings, data_dir: Path
) -> None:
    fill(listed)
    for number, (later, expected) in enumerate([(50, ["bytes=100-"]), (60, ["bytes=100-"])]):
        listed.put(LATEST, text_of(days_of(date(2025, 1, 1), 40 + number)), f"2026-03-0{number + 1}T00:00:00+00:00")
        listed.break_off_at, listed.is_down_afterwards = 100, True
        done = backfill(settings, ARIEGE, 2025, print)
        assert "connection reset" in done.failures[LATEST] or "status 503" in done.failures[LATEST]
        (wanted,) = read_ledger(DataPaths(data_dir)).queue.values()
        assert (wanted.status, wanted.attempts, wanted.name) == ("failed", 1, LATEST)
        listed.is_down_afterwards = listed.is_down = False
        listed.asked.clear()
        if number:  # the same version by the listing, other bytes by its ETag
            listed.put(LATEST, text_of(days_of(date(2025, 1, 1), later)), f"2026-03-0{number + 1}T00:00:00+00:00")
        (entry,) = backfill(settings, ARIEGE, 2025, print).loaded
        assert [wanted for _, wanted in listed.asked] == expected
        assert entry.rows == (later if number else 40)
        assert read_ledger(DataPaths(data_dir)).queue == {}


def test_a_back_fill_that_the_disk_cannot_hold_fetches_nothing(
    listed: FakeArchive, settings: IngestionSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(listed)
    listed.size = 2_000_000_000
    # Two files of 2 GB: 4 GB of Parquet at most, 10 GB to load one, and 0.2 GB for the hourly runs.
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=14_199_999_999))
    with pytest.raises(ArchiveNeedsRoom, match=r"needs about 14\.2 GB and 14\.2 GB are free .*; nothing was fetched"):
        backfill(settings, ARIEGE, 1991, print)
    assert listed.asked == []
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=14_200_000_000))
    assert len(backfill(settings, ARIEGE, 1991, print).loaded) == 2


def test_two_back_fills_of_one_directory_wait_for_one_another(
    listed: FakeArchive, settings: IngestionSettings, data_dir: Path
) -> None:
    fill(listed)
    said: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        with open_backfill(settings, print):
            other = pool.submit(backfill, settings, ARIEGE, 1991, said.append)
            while not said:
                time.sleep(0.01)
            assert listed.asked == []
        assert len(other.result(60).loaded) == 2
    assert said[0] == "another back-fill is at work here: this one waits for it to end"


def test_the_progress_counts_bytes_and_tells_the_rest(listed: FakeArchive, settings: IngestionSettings) -> None:
    fill(listed)
    listed.size = 1_500_000
    seen: list[dict[str, Any]] = []
    backfill(
        settings, ARIEGE, 1991, print, tell=lambda progress: seen.append(progress.facts() | {"text": str(progress)})
    )
    assert [(p["files_done"], p["files"], p["bytes_done"], p["rows"], p["share"]) for p in seen] == [
        (0, 2, 0, 0, 0.0),
        (1, 2, 1_500_000, 50, 0.5),
        (2, 2, 3_000_000, 550, 1.0),
    ]
    assert seen[0]["seconds_left"] is None
    assert seen[1]["text"].startswith("1 of 2 files, 1.5 of 3.0 MB, 50 rows")
    assert seen[2]["seconds_left"] == 0


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_terminal_has_a_bar_and_a_pipe_has_lines(monkeypatch: pytest.MonkeyPatch, is_terminal: bool) -> None:
    class Output(StringIO):
        def isatty(self) -> bool:
            return is_terminal

    output = Output()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "stdout", output)
    with shown_progress() as shown:
        progress = Progress(files=4, files_done=1, rows=550)
        shown.say("[1/4] Q_09.csv.gz: 550 days")
        shown.tell(progress)
    lines = output.getvalue()
    assert "[1/4] Q_09.csv.gz: 550 days" in lines
    assert ("25%" in lines and "1 of 4 files, 550 rows" in lines) == is_terminal
    assert ("\x1b" in lines) == is_terminal


def test_one_refused_file_is_told_and_the_others_are_loaded(
    listed: FakeArchive, settings: IngestionSettings, data_dir: Path
) -> None:
    fill(listed)
    content, modified = listed.files[LATEST]
    listed.files[LATEST] = (content[:-30], modified)
    done = backfill(settings, ARIEGE, 1991, print)
    assert "cut or damaged" in done.failures[LATEST]
    assert names_in_use(data_dir) == [PREVIOUS]
    listed.files[LATEST] = (content, modified)
    assert backfill(settings, ARIEGE, 1991, print).failures == {}
    assert names_in_use(data_dir) == [LATEST, PREVIOUS]


def test_a_file_that_shrank_is_told_each_time_until_it_is_accepted(
    listed: FakeArchive, settings: IngestionSettings, data_dir: Path
) -> None:
    fill(listed)
    backfill(settings, ARIEGE, 1991, print)
    listed.put(PREVIOUS, text_of(days_of(date(2020, 1, 1), 400)), "2026-03-01T00:00:00+00:00")
    for _ in range(2):
        assert "it has 400 rows" in backfill(settings, ARIEGE, 1991, print).failures[PREVIOUS]
    assert backfill(settings, ARIEGE, 1991, print, accept=True).failures == {}
    assert sorted(f.rows for f in read_ledger(DataPaths(data_dir)).in_use()) == [50, 400]


def test_a_listing_that_does_not_answer_is_told(listed: FakeArchive, settings: IngestionSettings) -> None:
    listed.status = 503
    with pytest.raises(UpstreamDown, match="status 503"):
        backfill(settings, ARIEGE, 1991, print)


def test_the_real_listings_form_is_read(
    real_file: Callable[[str], Path], listed: FakeArchive, settings: IngestionSettings
) -> None:
    """The recorded page is of hours: its documents and hourly files are no files of days."""
    page = json.loads(real_file("datagouv-listing_HOR_api2_2024-03_3resources.json").read_text()) | {"next_page": None}
    listed._page = lambda _: page  # type: ignore[method-assign]
    with pytest.raises(UpstreamDown, match="names no file of days"):
        backfill(settings, resolve_all(["1"]), 1850, print)
    told = page["data"][0]
    told["url"] = told["url"].replace("HOR/H_01_1850-1859.csv.gz", "QUOT/Q_01_1850-1949_RR-T-Vent.csv.gz")
    listed.files["Q_01_1850-1949_RR-T-Vent.csv.gz"] = (
        gzip.compress(text_of(days_of(date(1900, 1, 1), 3, "01014002"))),
        told["last_modified"],
    )
    (entry,) = backfill(settings, resolve_all(["1"]), 1850, print).loaded
    assert (entry.resource_id, entry.last_modified) == (told["id"], "2024-03-26T05:51:50+00:00")


def demo(data_dir: Path) -> IngestionSettings:
    return IngestionSettings(data_dir=data_dir, meteofrance_source="demo", _env_file=None)


def test_the_demos_archive_is_deterministic_and_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def clock() -> datetime:
        return datetime(2026, 6, 1, tzinfo=UTC)

    @asynccontextmanager
    async def opened(_: IngestionSettings) -> AsyncIterator[ArchiveClient]:
        transport = httpx.ASGITransport(create_demo_archive(clock, first_year=2022))
        async with httpx.AsyncClient(transport=transport) as http:
            yield ArchiveClient(http, 1)

    monkeypatch.setattr(backfill_module, "open_archive", opened)
    digests = []
    for name in ("one", "two"):
        done = backfill(demo(tmp_path / name), ARIEGE, 1991, print)
        assert [(f.first_day, f.last_day, f.posts) for f in done.loaded] == [
            ("2025-01-01", "2026-05-30", 14),
            ("2022-01-01", "2024-12-31", 14),
        ]
        digests.append([f.digest for f in done.loaded])
    assert digests[0] == digests[1]
    with pytest.raises(UpstreamDown):
        backfill(demo(tmp_path / "three"), resolve_all(["971"]), 1991, print)


@pytest.mark.slow
def test_killed_at_any_moment_the_archive_ends_the_same(tmp_path: Path) -> None:
    """Kill the load of twelve files soon after each file, then let it end: all is as if it was never killed."""
    files = []
    for number in range(12):
        file = tmp_path / f"Q_09_previous-1950-{2000 + number // 2}_RR-T-Vent.csv.gz"
        file = file.with_name(file.name if number % 2 else file.name.replace("09", "31"))
        station = "09289001" if number % 2 else "31042012"
        file.write_bytes(gzip.compress(text_of(days_of(date(1990 + number, 1, 1), 300, station))))
        files.append(str(file))

    def load(data_dir: Path) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "DATA_DIR": str(data_dir)}
        arguments = [sys.executable, "-m", "ingestion.archive", "--file", *files]
        return subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE)

    def state(data_dir: Path) -> Any:
        ledger = json.loads((data_dir / "archive" / "ledger.json").read_text())
        return ledger["climate"], [{k: v for k, v in f.items() if k != "loaded_at"} for f in ledger["files"]]

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    with load(whole) as process:
        assert process.communicate()
    for number in range(len(files)):
        with load(killed) as process:
            assert process.stdout is not None
            for _ in range(number + 1):  # the first lines tell of what is known already
                process.stdout.readline()
            time.sleep(0.011 * (number % 5))
            process.kill()
        ledger = read_ledger(DataPaths(killed))
        assert all((killed / file).exists() for file in ledger.parquet_files())
        assert len(ledger.in_use()) > number
    with load(killed) as process:
        process.communicate()
    assert process.returncode == 0
    assert state(killed) == state(whole)

"""Promise 2: what the machine refuses is told in one line, what was published stays served, and nobody need repair."""

import os
import re
import resource
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from problems import assert_problem
from run_fixtures import measure_file
from running_service import RunningService
from victim import Victim
from warm_runs import UNTROUBLED, Hardship, Outcome

from ingestion.paths import DataPaths
from orchestration.settings import ROOT
from orchestration.snapshots.snapshots import kept_snapshots, served_snapshot

pytestmark = pytest.mark.xdist_group("faults-warm")

Tally = Callable[[str], None]

DISK_MB = 96
FAKETIME = next(Path("/usr/lib").glob("**/libfaketime.so.1"), None)


@pytest.fixture
def small_disk(victim: Victim, tmp_path: Path) -> Iterator[Path]:
    """Put the victim's data directory on a disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this user may not mount a small disk")
    victim.paths = DataPaths(folder / "data")
    yield folder
    for run in victim.started:
        run.kill()
    subprocess.run(["umount", str(folder)], check=True)


def check_told(outcome: Outcome, words: str) -> None:
    """The failure is one line that says what to do, and none of the machine's own traces."""
    assert not outcome.is_good, outcome.text
    assert outcome.is_told, outcome.text
    assert "\n" not in outcome.text
    assert re.search(words, outcome.text), outcome.text
    assert "stays served" in outcome.text


def suffer(victim: Victim, hardship: Hardship, words: str) -> str:
    """Run under a hardship: it fails as it should or gets through; without it the next run makes up for all."""
    before = victim.check_served()
    outcome = victim.run(hardship)
    if not outcome.is_good:
        check_told(outcome, words)
        assert victim.check_served() == before
    victim.check_recovered()
    return outcome.kind or "got through"


def fill_disk(folder: Path, leave: int) -> None:
    """Leave so many bytes free."""
    free = os.statvfs(folder)
    with (folder / "ballast").open("wb") as ballast:
        os.posix_fallocate(ballast.fileno(), 0, max(1, free.f_bavail * free.f_bsize - leave))


def attack_disk(victim: Victim, small_disk: Path, tally: Tally, leaves: list[int]) -> None:
    ends: Counter[str] = Counter()
    for leave in leaves:
        victim.restore()
        before = victim.check_served()
        fill_disk(small_disk, leave)
        outcome = victim.run()
        if not outcome.is_good:
            check_told(outcome, "No space left on device")
            assert victim.check_served() == before
        ends[outcome.kind or "got through"] += 1
        (small_disk / "ballast").unlink()
        victim.check_recovered()
    assert ends.total() > ends["got through"]
    tally(f"a disk with {leaves[0]:,} to {leaves[-1]:,} bytes left, {len(leaves)} runs: {dict(ends)}")


def test_a_full_disk_is_told_and_forgotten(victim: Victim, small_disk: Path, tally: Tally) -> None:
    attack_disk(victim, small_disk, tally, [1_200_000])


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_disk_that_fills_at_any_moment(victim: Victim, small_disk: Path, tally: Tally) -> None:
    attack_disk(victim, small_disk, tally, [4096 * n for n in range(4)] + [300_000 * n for n in range(1, 21)])


@pytest.mark.slow
@pytest.mark.parametrize("limit", [400_000])
def test_files_that_may_not_grow(victim: Victim, tally: Tally, limit: int) -> None:
    kind = suffer(victim, Hardship({resource.RLIMIT_FSIZE: limit}), "File too large")
    assert kind != "got through"
    tally(f"files of at most {limit:,} bytes: {kind}")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_files_that_may_not_grow_beyond_any_size(victim: Victim, tally: Tally) -> None:
    ends = Counter()
    limits = [1, 80, 600, 3_000, 5_000, 20_000, 270_000, 1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000]
    for limit in limits:
        victim.restore()
        ends[suffer(victim, Hardship({resource.RLIMIT_FSIZE: limit}), "File too large")] += 1
    tally(f"files of at most {limits[0]} to {limits[-1]:,} bytes, {len(limits)} runs: {dict(ends)}")


def attack_open_files(victim: Victim, tally: Tally, limits: list[int]) -> None:
    ends: Counter[str] = Counter()
    for limit in limits:
        victim.restore()
        ends[suffer(victim, Hardship({resource.RLIMIT_NOFILE: limit}), "Too many open files")] += 1
    assert ends.total() > ends["got through"]
    tally(f"{limits[0]} to {limits[-1]} open files, {len(limits)} runs: {dict(ends)}")


def test_too_many_open_files_are_told_and_forgotten(victim: Victim, tally: Tally) -> None:
    attack_open_files(victim, tally, [12])


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_limit_of_open_files(victim: Victim, tally: Tally) -> None:
    attack_open_files(victim, tally, list(range(6, 36, 2)))


def places(paths: DataPaths) -> list[Path]:
    """Every folder that a run writes to."""
    day = next(paths.landing.glob("*/*"))
    return [paths.root, paths.build_file.parent, paths.snapshots, day.parent, day]


@contextmanager
def without_rights(path: Path, mode: int) -> Iterator[None]:
    before = path.stat().st_mode
    path.chmod(mode)
    try:
        yield
    finally:
        path.chmod(before)


def attack_rights(victim: Victim, tally: Tally, chosen: slice, modes: tuple[int, ...]) -> None:
    ends: Counter[str] = Counter()
    count = 0
    for place in range(len(places(victim.paths)))[chosen]:
        for mode in modes:
            victim.restore()
            path = places(victim.paths)[place]
            before = victim.check_served()
            with without_rights(path, mode):
                outcome = victim.run(Hardship(minds_rights=True))
            if not outcome.is_good:
                check_told(outcome, "Permission denied")
                assert victim.check_served() == before
            ends[outcome.kind or "got through"] += 1
            count += 1
            victim.check_recovered()
    assert ends.total() > ends["got through"]
    tally(f"{count} runs that may not write, or not enter, one of their folders: {dict(ends)}")


def test_a_folder_that_may_not_be_written_is_told_and_forgotten(victim: Victim, tally: Tally) -> None:
    attack_rights(victim, tally, slice(2, 3), (0o555,))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_each_folder_that_may_not_be_written(victim: Victim, tally: Tally) -> None:
    attack_rights(victim, tally, slice(None), (0o555, 0o000))


@pytest.mark.slow
def test_a_disk_that_turned_read_only(victim: Victim, small_disk: Path, tally: Tally) -> None:
    victim.restore()
    before = victim.check_served()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    try:
        check_told(victim.run(), "Read-only file system")
        assert victim.check_served() == before
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    victim.check_recovered()
    tally("a disk remounted read-only, 1 run")


@pytest.mark.slow  # for starting cold; a clock set back is also in tests/ingestion/test_replay.py
@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed")
@pytest.mark.parametrize("offset", ["-1h", "+400d"])
def test_a_clock_that_jumps_changes_no_reading(victim: Victim, tally: Tally, offset: str) -> None:
    """A run at another time than the ones before and after it: same rows, and the newest is served."""
    before = victim.check_served()
    command = [sys.executable, "orchestration/flow_prefect.py", "--mode", "run", "--dept", "9"]
    environment = {
        **os.environ,
        **victim.environment,
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME": offset,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    served = served_snapshot(victim.paths)
    assert served.sequence == int(before[:6]) + 1
    jumped = datetime.fromisoformat(served.published_at) - datetime.now(UTC)
    assert abs(jumped) > timedelta(minutes=55)
    victim.check_recovered()
    assert served_snapshot(victim.paths) == kept_snapshots(victim.paths)[-1]
    tally(f"clock {offset}, then right again: 2 runs")


@pytest.mark.slow
def test_the_machines_time_zone_changes_nothing(victim: Victim, tally: Tally) -> None:
    assert suffer(victim, Hardship(zone="Pacific/Kiritimati"), "") == "got through"
    tally("a machine 14 hours east of UTC: 1 run")


@pytest.mark.slow
@pytest.mark.parametrize("zone", ["Europe/Paris", "Australia/Lord_Howe"])
@pytest.mark.parametrize("change", ["2025-10-26T01:12Z", "2026-03-29T01:12Z"])
def test_summer_time_begins_and_ends_without_a_trace(
    victim: Victim, tmp_path: Path, tally: Tally, zone: str, change: str
) -> None:
    """The night the clocks change, hour by hour, on a machine in UTC and on one elsewhere: the same warehouse."""
    found = []
    for number, hardship in enumerate((UNTROUBLED, Hardship(zone=zone))):
        victim.paths = DataPaths(tmp_path / str(number))
        for hours in (-1, 0, 1):
            now = datetime.fromisoformat(change) + timedelta(hours=hours)
            victim.upstream.reset(now=now, retention_hours=8)
            assert victim.run(hardship).is_good
        found.append(measure_file(victim.paths.published))
    assert found[0] == found[1]
    tally(f"{zone}, {change}: 6 runs")


@pytest.mark.slow
def test_a_service_that_may_not_write_answers_reads_and_leads_once_it_may(
    victim: Victim, start_reads: Callable[..., RunningService], tmp_path: Path, tally: Tally
) -> None:
    """Where its folder should be there is something else; nobody leads, and nobody is told to wait for ever."""
    shutil.rmtree(victim.paths.leader_lock.parent, ignore_errors=True)
    victim.paths.leader_lock.parent.touch()
    # Without a dbt profile: what it rehearses once it leads ends at once, and no run is asked of it.
    service = start_reads(victim.paths, leads=True, DBT_PROFILES_DIR=str(tmp_path))
    assert service.http.get("/warehouse/latest?dept=9").status_code == 200

    def told() -> str:
        return service.http.get("/health/ready").json()["parts"]["worker"]["reason"] or ""

    service.until(lambda: "cannot be used" in told(), "the reason")
    assert "what was published stays served" in told()
    problem = assert_problem(service.http.post("/runs?dept=9"), 503)
    assert problem["type"] == "/problems/storage-failed"
    victim.paths.leader_lock.parent.unlink()
    service.until(lambda: service.http.get("/health/ready").json()["role"] == "leader", "a leader")
    assert service.stop() == 0  # with no Prefect server yet
    tally("1 service without its folder, then with it")

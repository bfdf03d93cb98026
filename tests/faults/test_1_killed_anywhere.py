"""Promise 1: a killed run loses nothing. SIGKILL at moments and at single system calls; the order of a power cut."""

import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest
import syscalls
from snapshot_reader import Reader
from syscalls import CHANGES, Call, Tracer
from victim import Victim
from warm_runs import Hardship

pytestmark = pytest.mark.xdist_group("faults-warm")

FAST = 4
BATCHES, BATCH = 20, 12

# What a run is doing when it writes to these, in the order of a run.
STEPS = {
    "ingestion": r"/landing/|/writer\.",
    "load and checkpoint": r"/build/warehouse\.duckdb",
    "dbt": r"/build/dbt/|/logs/|/runs/|/dev/shm",
    "copy": r"/snapshots/\.new-[^\"]*",
    "link": r"\.warehouse\.duckdb\.next",
    "retention": r"/snapshots/(\.old-|\d)",
}

Tally = Callable[[str], None]


@pytest.fixture
def reader(request: pytest.FixtureRequest) -> Iterator[Reader]:
    """Read without a pause worth the name; in `make test` some ten times a second, or reading would cost most of it."""
    made = Reader() if "slow" in request.keywords else Reader(pause=0.1)
    yield made
    made.close()


def step_of(call: Call) -> str:
    for step in ("link", "retention", "copy", "ingestion", "load and checkpoint", "dbt"):
        if re.search(STEPS[step], call.text):
            return step
    return "between"


def calls_of_a_run(victim: Victim, log: Path) -> list[Call]:
    run = victim.start(Hardship(starts_stopped=True))
    tracer = Tracer(run.pid, log)
    assert run.outcome().is_good
    return tracer.calls()


def points_of(calls: list[Call]) -> list[tuple[str, int]]:
    """Every system call of a run that changes something, as strace counts it: (name, n-th in its thread)."""
    counts: Counter[tuple[str, str]] = Counter()
    points = {}
    for call in calls:
        if call.name not in CHANGES or step_of(call) == "between":
            continue
        counts[call.text.split()[0], call.name] += 1
        points[call.name, counts[call.text.split()[0], call.name]] = step_of(call)
    return list(points)


def attack(victim: Victim, reader: Reader, kill: Callable[[], str | None]) -> tuple[str | None, int]:
    """Kill one run while a reader reads; the next one must end as if nothing had been."""
    victim.restore()
    before = victim.check_served()
    reader.begin(victim.paths.published)
    where = kill()
    reads = reader.end()
    served = victim.check_served()
    assert served == before or int(served[:6]) == int(before[:6]) + 1
    reader.begin(victim.paths.published)
    victim.check_recovered()
    return where, reads + reader.end()


def at_a_moment(victim: Victim, seconds: float) -> Callable[[], str | None]:
    def kill() -> str | None:
        run = victim.start()
        time.sleep(seconds)
        return "a moment" if run.kill() else None

    return kill


def at_a_call(victim: Victim, point: tuple[str, int], log: Path) -> Callable[[], str | None]:
    def kill() -> str | None:
        run = victim.start(Hardship(starts_stopped=True))
        tracer = Tracer(run.pid, log, point)
        run.process.join(120)
        calls = tracer.calls()
        return step_of(calls[-1]) if run.process.exitcode == -9 else None

    return kill


def kill_at_many(victim: Victim, reader: Reader, log: Path, tally: Tally, count: int, batch: int) -> None:
    """Half of the kills anywhere in time, half at the system calls that change something; no two batches alike."""
    chance = random.Random(f"{count} {batch}")
    started = time.monotonic()
    assert victim.run().is_good
    seconds = time.monotonic() - started
    plans = [at_a_moment(victim, seconds * (n + chance.random()) / (count // 2)) for n in range(count // 2)]
    if not syscalls.why_not():
        victim.restore()
        points = points_of(calls_of_a_run(victim, log))
        # dbt writes hundreds of log lines; the calls that matter are the rare ones.
        rare = [point for point in points if point[0] != "write"]
        writes = chance.sample([point for point in points if point[0] == "write"], max(1, count // 8))
        chosen = rare[batch :: max(1, len(rare) // (count // 2 - len(writes)))] if rare else []
        plans += [at_a_call(victim, point, log) for point in (chosen + writes)[: count // 2]]
    killed: Counter[str] = Counter()
    reads = 0
    for plan in plans:
        where, read = attack(victim, reader, plan)
        killed[where or "ended before its kill"] += 1
        reads += read
    deaths = killed.total() - killed["ended before its kill"]
    tally(f"{deaths} kills ({dict(killed)}), {reads} whole reads meanwhile")
    assert deaths >= len(plans) // 2


def test_a_killed_run_loses_nothing(victim: Victim, reader: Reader, tmp_path: Path, tally: Tally) -> None:
    kill_at_many(victim, reader, tmp_path / "calls", tally, FAST, 0)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("batch", range(BATCHES))
def test_killed_at_two_hundred_points_runs_lose_nothing(
    victim: Victim, reader: Reader, tmp_path: Path, tally: Tally, batch: int
) -> None:
    kill_at_many(victim, reader, tmp_path / "calls", tally, BATCH, batch)


class Disk:
    """What of a directory tree a power cut would leave: content after fsync, names after fsync of their folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.unsynced_content: set[str] = set()
        self.unsynced_names: set[str] = set()

    def hear(self, call: Call) -> None:
        inside = [path for path in call.paths if path.startswith(f"{self.root}/") or path == str(self.root)]
        if not inside:
            return
        match call.name:
            case "write" | "pwrite64" | "ftruncate":
                self.unsynced_content.add(inside[0])
            case "copy_file_range":
                self.unsynced_content.add(inside[-1])
            case "openat" if "O_CREAT" in call.text or "O_TRUNC" in call.text:
                self.unsynced_content.add(inside[-1])
                self.unsynced_names.add(inside[-1])
            case "mkdir" | "mkdirat" | "symlink" | "symlinkat" | "link" | "linkat":
                self.unsynced_names.add(inside[-1])
            case "fsync" | "fdatasync":
                self.unsynced_content.discard(inside[0])
                self.unsynced_names = {n for n in self.unsynced_names if str(PurePosixPath(n).parent) != inside[0]}
            case "rename" | "renameat" | "renameat2":
                self._move(*inside)
            case "unlink" | "unlinkat" | "rmdir":
                self.unsynced_content.discard(inside[-1])
                self.unsynced_names.discard(inside[-1])

    def _move(self, old: str, new: str) -> None:
        for held in (self.unsynced_content, self.unsynced_names):
            for path in [p for p in held if p == old or p.startswith(f"{old}/")]:
                held.discard(path)
                held.add(new + path[len(old) :])
        self.unsynced_names.add(new)

    def lost(self, path: str) -> set[str]:
        """What of a file or folder, and of the folders that lead to it, would be lost."""
        above = {str(p) for p in PurePosixPath(path).parents if str(p).startswith(str(self.root))} - {str(self.root)}
        return {
            unsynced
            for unsynced in self.unsynced_content | self.unsynced_names
            if unsynced == path or unsynced.startswith(f"{path}/") or unsynced in above
        }


@pytest.mark.skipif(bool(syscalls.why_not()), reason=syscalls.why_not())
def test_a_power_cut_at_any_moment_leaves_what_was_promised(victim: Victim, tmp_path: Path, tally: Tally) -> None:
    """From nothing: what raw counts as loaded is landed for good, what the link leads to is written for good."""
    victim.paths = type(victim.paths)(tmp_path / "from-nothing")
    calls = calls_of_a_run(victim, tmp_path / "calls")
    disk, landed, loads, moves = Disk(victim.paths.root), "", 0, 0
    for call in calls:
        if call.name.startswith("rename") and call.paths[-1].endswith(".csv.gz"):
            landed = call.paths[-1]
        if landed and call.name in ("write", "fsync") and call.paths[0].endswith("warehouse.duckdb.wal"):
            loads += 1
            assert disk.lost(landed) == set()
        if call.name.startswith("rename") and call.paths[-1] == str(victim.paths.published):
            moves += 1
            aimed = sorted(p for p in disk.root.joinpath("snapshots").iterdir())
            assert set().union(*(disk.lost(str(folder)) for folder in aimed)) == set()
        disk.hear(call)
    assert loads > 2
    assert moves == 1
    for path in (victim.paths.landing, victim.paths.snapshots, victim.paths.published):
        assert disk.lost(str(path)) == set()
    tally(f"{len(calls)} system calls, {loads} writes of what was landed before, {moves} move of the link")

"""Promise 8: a backup taken while everything runs gives back every row; a bad one, or a wrong place, is refused."""

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from run_fixtures import query_file
from victim import Victim

from ingestion.paths import DataPaths
from ingestion.raw_store import connect
from ingestion.settings import get_settings
from ingestion.writer_lock import writer_lock
from orchestration.__main__ import main as by_hand
from orchestration.backup import restore_backup
from orchestration.errors import BackupUnreadable, DirectoryInUse, NotEmpty
from orchestration.service.leader import Leadership
from orchestration.settings import ROOT
from orchestration.snapshots.snapshots import served_snapshot

pytestmark = pytest.mark.xdist_group("faults-warm")

Tally = Callable[[str], None]


def every_row(file: Path) -> dict[str, list[Any]]:
    """Every row of every table of every schema."""
    tables = query_file(file, "select schema_name || '.' || table_name from duckdb_tables() where not internal")
    return {table: query_file(file, f"from {table} order by all") for (table,) in tables}


def everything(paths: DataPaths) -> dict[str, Any]:
    landed = {
        str(path.relative_to(paths.root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths.landing.rglob("*.gz")
    }
    served = served_snapshot(paths)
    return {
        "landed": landed,
        "served": served,
        "build": every_row(paths.build_file),
        "published": every_row(paths.published),
        "records": {path.name: path.read_text() for path in paths.run_records.glob("*")},
    }


def make(step: str, data_dir: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """What `make backup` and `make restore` run."""
    command = [sys.executable, "-m", "orchestration", step, *options]
    environment = {**os.environ, "DATA_DIR": str(data_dir)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def back_up(paths: DataPaths, target: Path) -> Path:
    ended = make("backup", paths.root, "--to", str(target))
    assert ended.returncode == 0, ended.stderr
    return max(target.glob("*.tar.zst"))


@pytest.fixture(scope="module")
def backup(two_runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of what every victim is a copy of."""
    return back_up(DataPaths(two_runs), tmp_path_factory.mktemp("backups"))


@pytest.mark.slow
def test_every_row_comes_back_and_runs_go_on(victim: Victim, tmp_path: Path, tally: Tally) -> None:
    before = everything(victim.paths)
    backup = back_up(victim.paths, tmp_path / "backups")
    assert everything(victim.paths) == before
    assert not list(victim.paths.root.glob(".backup-*"))
    restored = DataPaths(tmp_path / "restored")
    ended = make("restore", restored.root, "--from", str(backup))
    assert ended.returncode == 0, ended.stderr
    assert everything(restored) == before
    victim.paths = restored
    victim.check_recovered()
    tables = len(before["build"]) + len(before["published"])
    rows = sum(len(rows) for file in ("build", "published") for rows in before[file].values())
    tally(f"{rows:,} rows of {tables} tables and {len(before['landed'])} payloads compared")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_backups_taken_while_runs_write_are_whole(victim: Victim, tmp_path: Path, tally: Tally) -> None:
    """Runs one after another, some of them killed, while backups are taken: each is of one moment, and goes on well."""
    stop, runs = threading.Event(), [0]

    def write() -> None:
        while not stop.is_set():
            run = victim.start()
            if runs[0] % 3 == 2:
                stop.wait(0.7)
                run.kill()
            else:
                run.outcome()
            runs[0] += 1
            with writer_lock(victim.paths, "the test", print), connect(victim.paths.build_file) as connection:
                connection.execute("delete from meta.builds")  # so that each run builds, all of it

    writer = threading.Thread(target=write)
    writer.start()
    try:
        backups = [back_up(victim.paths, tmp_path / "backups") for _ in range(10)]
    finally:
        stop.set()
        writer.join()
    for number, backup in enumerate(backups):
        restored = DataPaths(tmp_path / f"restored-{number}")
        restore_backup(backup, restored)
        served = served_snapshot(restored)
        counts = {table: len(query_file(restored.published, f"from {table}")) for table in served.row_counts}
        assert counts == served.row_counts
        loaded = query_file(restored.build_file, "select payload from meta.loads where status = 'loaded'")
        landed = {f"{path.parent.name}/{path.name}" for path in restored.landing.rglob("*.gz")}
        assert {payload for (payload,) in loaded} <= landed
        victim.paths = restored
        victim.check_recovered()
        shutil.rmtree(restored.root)
    tally(f"{len(backups)} backups beside {runs[0]} runs, a third of them killed")


def test_a_backup_is_laid_over_nothing_unless_told(victim: Victim, backup: Path) -> None:
    before = everything(victim.paths)
    with pytest.raises(NotEmpty, match="FORCE=1"):
        restore_backup(backup, victim.paths)
    leadership = Leadership(victim.paths)
    assert leadership.try_acquire()
    with pytest.raises(DirectoryInUse, match="stop the service"):
        restore_backup(backup, victim.paths, force=True)
    leadership.release()
    assert everything(victim.paths) == before
    assert victim.run().is_good
    restore_backup(backup, victim.paths, force=True)
    assert everything(victim.paths) == before


def test_a_backup_that_is_cut_changed_or_none_is_refused(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tally: Tally
) -> None:
    whole = backup.read_bytes()
    middle = len(whole) // 2
    spoilt = [
        whole[:middle],
        whole[:-1000],
        whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        b"",
        b"not a backup",
    ]
    file, restored = tmp_path / "spoilt.tar.zst", DataPaths(tmp_path / "restored")
    for content in spoilt:
        file.write_bytes(content)
        with pytest.raises(BackupUnreadable, match="nothing was touched"):
            restore_backup(file, restored)
        assert list(restored.root.iterdir()) == []
    missing = make("restore", restored.root, "--from", str(tmp_path / "nowhere.tar.zst"))
    assert (missing.returncode, missing.stderr.count("\n")) == (1, 1)
    with pytest.raises(SystemExit, match="2"):
        by_hand(["restore"])
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "empty"))
    get_settings.cache_clear()
    capsys.readouterr()
    assert by_hand(["backup", "--to", str(tmp_path)]) == 1
    assert "holds nothing to back up yet" in capsys.readouterr().err
    tally(f"{len(spoilt)} spoilt backups")

"""A warehouse to attack, and what must hold of it after every attack."""

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
from run_fixtures import measure_file
from upstream import NOW, Upstream
from warm_runs import UNTROUBLED, Hardship, Outcome, WarmRun, WarmRuns

from ingestion.paths import DataPaths
from orchestration.snapshots.snapshots import kept_snapshots, served_snapshot

KEEP = "2"  # snapshots kept, so that each publication also deletes one


def third_hour(upstream: Upstream) -> None:
    upstream.reset(now=NOW + timedelta(hours=2), retention_hours=14)


class Victim:
    """A copy of the two runs' data directory, before a third run that is to be disturbed."""

    def __init__(
        self, two_runs: Path, data_dir: Path, upstream: Upstream, warm: WarmRuns, undisturbed: dict[str, Any]
    ) -> None:
        self.paths = DataPaths(data_dir)
        self.upstream = upstream
        self._warm, self._source, self._undisturbed = warm, two_runs, undisturbed
        self.started: list[WarmRun] = []

    def restore(self) -> None:
        """Begin anew, from before the third run."""
        for entry in list(self.paths.root.iterdir()) if self.paths.root.exists() else []:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        shutil.copytree(self._source, self.paths.root, symlinks=True, dirs_exist_ok=True)
        third_hour(self.upstream)

    @property
    def environment(self) -> dict[str, str]:
        return {**self.upstream.environment, "DATA_DIR": str(self.paths.root), "SNAPSHOTS_KEEP": KEEP}

    def start(self, hardship: Hardship = UNTROUBLED, **environment: str) -> WarmRun:
        run = self._warm.start(self.environment | environment, hardship)
        self.started.append(run)
        return run

    def run(self, hardship: Hardship = UNTROUBLED, **environment: str) -> Outcome:
        return self.start(hardship, **environment).outcome()

    def check_served(self) -> str:
        """What is served is whole: every table has the rows its manifest says. Return the snapshot's id."""
        served = served_snapshot(self.paths)
        assert served is not None
        found = measure_counts(self.paths.published, served.row_counts)
        assert found == served.row_counts, served.id
        return served.id

    def check_recovered(self) -> None:
        """The next run, undisturbed, ends in exactly the warehouse that an undisturbed one gives."""
        ended = self.run()
        assert ended.is_good, ended.text
        self.check_served()
        assert measure_file(self.paths.published) == self._undisturbed
        left = {path.name for path in self.paths.snapshots.iterdir()}
        assert left == {manifest.id for manifest in kept_snapshots(self.paths)}
        assert len(left) <= int(KEEP)
        assert not list(self.paths.landing.rglob("*.partial"))


def measure_counts(file: Path, tables: dict[str, int]) -> dict[str, int]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return {table: connection.execute(f"select count(*) from {table}").fetchall()[0][0] for table in tables}

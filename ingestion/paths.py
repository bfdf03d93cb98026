"""Where everything lies under the data directory: the one place that spells these names."""

from dataclasses import dataclass
from pathlib import Path

WAREHOUSE_FILE = "warehouse.duckdb"  # DuckDB names the catalog after the file, and dbt's views name the catalog


@dataclass(frozen=True)
class DataPaths:
    """Paths under one data directory."""

    root: Path

    @property
    def build_file(self) -> Path:
        """The only DuckDB file that is ever written."""
        return self.root / "build" / WAREHOUSE_FILE

    @property
    def lock_file(self) -> Path:
        """Held by the process that writes the build file."""
        return self.root / "build" / "writer.lock"

    @property
    def landing(self) -> Path:
        """Every payload as it was received, compressed."""
        return self.root / "landing"

    @property
    def snapshots(self) -> Path:
        """One folder per published snapshot."""
        return self.root / "snapshots"

    @property
    def closed(self) -> Path:
        """Parquet files of closed months, shared by the build file and every snapshot."""
        return self.root / "closed"

    @property
    def archive(self) -> Path:
        """Official days of the open archive and what is computed from them: a ledger and Parquet files."""
        return self.root / "archive"

    @property
    def orders(self) -> Path:
        """Which hours were ordered of single posts, and what became of each order."""
        return self.root / "orders"

    @property
    def published(self) -> Path:
        """Symbolic link to the served snapshot's file."""
        return self.root / WAREHOUSE_FILE

    @property
    def dbt_target(self) -> Path:
        """Dbt's artifacts: outside the code, which may be read-only."""
        return self.root / "build" / "dbt"

    @property
    def logs(self) -> Path:
        """Logs of child processes and of dbt."""
        return self.root / "logs"

    @property
    def leader_lock(self) -> Path:
        """Held by the one service that serves the schedule."""
        return self.root / "service" / "leader.lock"

    @property
    def trigger_lock(self) -> Path:
        """Held while a run is asked for, so that two equal wishes become one run."""
        return self.root / "service" / "trigger.lock"

    @property
    def wake_file(self) -> Path:
        """Touched to tell the leader that a run waits, or is to be cancelled."""
        return self.root / "service" / "wake"

    @property
    def shelf(self) -> Path:
        """What this folder knows of the store behind SHELF_URL; empty without one."""
        return self.root / "shelf"

    @property
    def prefect_password(self) -> Path:
        """`user:password` of our Prefect server, where it asks for one."""
        return self.root / "prefect" / "password"

    @property
    def run_records(self) -> Path:
        """One file of progress records per run."""
        return self.root / "runs"

    @property
    def notices(self) -> Path:
        """Watches, alerts and the messages about them: a SQLite file, the owner's alone as it holds addresses."""
        return self.root / "notices" / "notices.db"

    @property
    def sending_lock(self) -> Path:
        """Held by the process that sends messages, so that no other sends the same."""
        return self.root / "notices" / "sending.lock"

    @property
    def page_cache(self) -> Path:
        """What the page makes once and keeps; it can be deleted at any time."""
        return self.root / "cache" / "page"

"""Looks after each run, and once a minute, for what watches and the operator are to hear of, and sends it."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import duckdb
import httpx

from ingestion.departments import Department
from ingestion.errors import IngestionError
from ingestion.paths import DataPaths
from ingestion.settings import get_settings as get_ingestion_settings
from ingestion.sources import SOURCES
from orchestration.alerts.conditions import find_alerts, kind_of
from orchestration.alerts.facts import EndedRun, Facts, SnapshotFacts, measure_room, read_snapshot_facts
from orchestration.alerts.tell import open_alerts, tell_operator
from orchestration.errors import OrchestrationError
from orchestration.notices.events import announce
from orchestration.notices.outbox import send_due
from orchestration.progress import read_records
from orchestration.runs.runs import ENDED, Runs
from orchestration.settings import OrchestrationSettings
from orchestration.snapshots.snapshots import Manifest, served_snapshot
from orchestration.watches.after_run import announce_watch
from orchestration.watches.evaluate import judge_watches

log = logging.getLogger("girouette.attention")

SECONDS = 60.0
_STEP_SECONDS = 1.0
# A part that restarts is not well for some seconds, and Prefect's server for half a minute.
_UNWELL_SECONDS = 300.0
_RUNS_READ = 10


class Attention:
    """One for the leader. Nothing that goes wrong here ends the service: it is tried again in a minute."""

    def __init__(
        self,
        runs: Runs,
        settings: OrchestrationSettings,
        paths: DataPaths,
        is_running: Callable[[], bool],
        unwell: Callable[[], Mapping[str, str]],
        departments: Callable[[], Sequence[Department]],
    ) -> None:
        self._runs, self._settings, self._paths = runs, settings, paths
        self._is_running, self._unwell, self._departments = is_running, unwell, departments
        self._started_at = datetime.now(UTC)
        self._snapshot: SnapshotFacts | None = None
        self._unwell_since: dict[str, float] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            until, was_running = time.monotonic() + SECONDS, self._is_running()
            while time.monotonic() < until:
                await asyncio.sleep(_STEP_SECONDS)
                if was_running and not self._is_running():  # a run ended
                    break
                was_running = was_running or self._is_running()

    async def look(self) -> None:
        """Judge watches and conditions, write what changed, send what is due."""
        try:
            runs = await self._ended_runs()
            await asyncio.to_thread(self._look, runs)
        except (OSError, sqlite3.Error, duckdb.Error, IngestionError) as error:
            log.warning("watches and alerts were not looked at and are tried again: %s", error)
        except Exception as error:
            log.warning("watches and alerts were not looked at and are tried again: %s", type(error).__name__)

    async def _ended_runs(self) -> list[EndedRun] | None:
        try:
            found = await self._runs.find(states=ENDED, limit=_RUNS_READ)
        except (OrchestrationError, httpx.HTTPError):
            return None
        ended = [run for run in found if run.state is not None and not run.state.is_cancelled()]
        ended.sort(key=lambda run: run.end_time or datetime.now(UTC), reverse=True)
        return [
            EndedRun(str(run.id), run.state.is_completed(), run.state.message or run.state.name or "")
            for run in ended
            if run.state is not None
        ]

    def _look(self, runs: list[EndedRun] | None) -> None:
        snapshot = served_snapshot(self._paths)
        addresses = self._settings.alert_addresses
        if snapshot is not None:
            for told in judge_watches(self._paths, snapshot):
                log.info("watch %s: %s", told.watch.id, told.title)
                announce_watch(told)
        already_on = {alert.condition for alert in open_alerts(self._paths)}
        verdict = find_alerts(self.gather(snapshot, runs), already_on)
        for change in tell_operator(self._paths, verdict, addresses):
            alert = change.alert
            log.warning("%s: %s", "over" if change.kind == "over" else "attention", alert.text)
            facts = {"condition": alert.condition, "text": alert.text, "next_step": alert.next_step}
            name = kind_of(alert.condition)
            announce(f"alert.{name}.{change.kind}", f"alert.{alert.condition}", name, facts)
        send_due(self._paths, addresses)

    def gather(self, snapshot: Manifest | None, runs: Sequence[EndedRun] | None) -> Facts:
        """Collect the facts of this moment."""
        ingestion = get_ingestion_settings()
        source = SOURCES[ingestion.source]
        if snapshot is not None and (self._snapshot is None or self._snapshot.id != snapshot.id):
            self._snapshot = read_snapshot_facts(self._paths, snapshot)
        free, needed = measure_room(self._paths)
        records = read_records(self._paths, runs[0].id) if runs else None
        packets = [record for record in records if record["kind"] == "packet"] if records is not None else None
        return Facts(
            now=datetime.now(UTC),
            hours=self._settings.alert_hours,
            started_at=self._started_at,
            checked_at=datetime.fromisoformat(snapshot.checked_at) if snapshot and snapshot.checked_at else None,
            snapshot=self._snapshot if snapshot is not None else None,
            departments=self._departments(),
            runs=runs,
            packets=packets or None,  # a run that was killed before its first packet says nothing
            token_notice=source.notice(ingestion) if source.notice and ingestion.source != "demo" else None,
            free_bytes=free,
            needed_bytes=needed,
            unwell=self._long_unwell(),
        )

    def _long_unwell(self) -> dict[str, str]:
        """Give the parts that have not been well for five minutes."""
        now, unwell = time.monotonic(), self._unwell()
        self._unwell_since = {part: self._unwell_since.get(part, now) for part in unwell}
        return {part: unwell[part] for part, since in self._unwell_since.items() if now - since >= _UNWELL_SECONDS}

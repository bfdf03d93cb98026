"""What our Prefect server forgets by itself, on a real server: two starts, so it is slow."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import ArtifactCreate, LogCreate
from prefect.states import Completed, Running
from running_service import free_port

from ingestion.departments import resolve_all
from ingestion.paths import DataPaths
from orchestration.prefect_server.server import running_server
from orchestration.runs.deployment import register_deployment
from orchestration.settings import OrchestrationSettings

pytestmark = pytest.mark.slow

# Prefect's default for runs. Events have 7 days of their own.
KEPT_DAYS = 90
TABLES = ("flow_run", "flow_run_state", "log", "artifact")


async def make_run(url: str, data_dir: Path) -> UUID:
    """Make a run that completed, with a line of log and an artifact."""
    async with PrefectClient(url) as client:
        deployment_id = (await register_deployment(client, "0 0 1 1 *", resolve_all(["9"]), data_dir)).deployment_id
        run = await client.create_flow_run_from_deployment(deployment_id)
        await client.set_flow_run_state(run.id, Running(), force=True)
        await client.set_flow_run_state(run.id, Completed(), force=True)
        line = LogCreate(name="n", level=20, message="m", timestamp=datetime.now(UTC), flow_run_id=run.id)
        await client.create_logs([line])
        await client.create_artifact(ArtifactCreate(key="summary", type="markdown", data="d", flow_run_id=run.id))
        return run.id


def rows_of(paths: DataPaths, run_id: UUID) -> dict[str, int]:
    with sqlite3.connect(paths.root / "prefect" / "prefect.db") as database:
        counts = {}
        for table in TABLES:
            column = "id" if table == "flow_run" else "flow_run_id"
            query = f"select count(*) from {table} where {column} = ?"
            counts[table] = database.execute(query, [str(run_id)]).fetchone()[0]
        return counts


def until(is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 120
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.5)
    return is_so()


def test_runs_of_long_ago_go_with_all_that_belongs_to_them(paths: DataPaths):
    url = f"http://127.0.0.1:{free_port()}/api"
    settings = OrchestrationSettings(prefect_api_url=url)
    with running_server(settings, paths, print):
        old, kept = (asyncio.run(make_run(url, paths.root)) for _ in range(2))
        assert until(lambda: all([*rows_of(paths, old).values(), *rows_of(paths, kept).values()]))
    with sqlite3.connect(paths.root / "prefect" / "prefect.db") as database:
        for run, days in ((old, KEPT_DAYS + 1), (kept, KEPT_DAYS - 1)):
            ended = (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%d %H:%M:%S.%f")
            database.execute("update flow_run set end_time = ? where id = ?", [ended, str(run)])
    before = rows_of(paths, kept)
    with running_server(settings, paths, print):
        assert until(lambda: not any(rows_of(paths, old).values()))
        assert rows_of(paths, kept) == before

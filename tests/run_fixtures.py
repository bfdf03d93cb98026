"""Runs of the pipeline and what they leave, for every folder of tests that needs them: conftests import these."""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from upstream import NOW, Upstream

from ingestion.departments import resolve_all
from ingestion.paths import DataPaths
from ingestion.settings import IngestionSettings
from ingestion.settings import get_settings as get_ingestion_settings
from orchestration.pipeline import RunSummary, plain_steps, run_pipeline
from orchestration.settings import get_settings

# Columns that say when a row came and by which load, not what was measured.
ABOUT_LOADS = ("load_id", "first_seen_at", "revised_at", "version_seen_at")


def run_once(ingestion: IngestionSettings, *departments: str, **options: Any) -> RunSummary:
    """One run without Prefect; what it said is left on its summary as `said`."""
    said: list[str] = []
    steps = plain_steps(ingestion, get_settings(), "a run", said.append)
    try:
        summary = run_pipeline(resolve_all(departments), steps, ingestion, said.append, **options)
    finally:
        print(*said, sep="\n")  # noqa: T201 - shown when the test fails
    summary.said = said  # type: ignore[attr-defined]
    return summary


@pytest.fixture(scope="session")
def run_pipeline_once() -> Callable[..., RunSummary]:
    return run_once


@pytest.fixture(scope="session")
def first_run(upstream_server: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Publish Ariège once at NOW: a data directory to copy from."""
    data_dir = tmp_path_factory.mktemp("first-run") / "data"
    upstream_server.reset()
    summary = run_once(upstream_server.settings(data_dir), "9")
    assert summary.is_published
    return data_dir


@pytest.fixture
def published(first_run: Path, data_dir: Path, upstream: Upstream) -> DataPaths:
    """The first run's data directory, copied for this test; upstream still says what it said then."""
    shutil.copytree(first_run, data_dir, symlinks=True)
    upstream.reset()
    return DataPaths(data_dir)


@pytest.fixture
def run(upstream: Upstream) -> Callable[..., RunSummary]:
    """Run the pipeline in this process with the settings of the environment."""

    def start(*departments: str, **options: Any) -> RunSummary:
        return run_once(get_ingestion_settings(), *(departments or ("9",)), **options)

    return start


@pytest.fixture
def later(upstream: Upstream) -> Callable[..., None]:
    """Let some hours pass upstream: there are news."""

    def pass_by(hours: int = 2) -> None:
        upstream.reset(now=NOW + timedelta(hours=hours), retention_hours=12 + hours)

    return pass_by


def query_file(file: Path, sql: str) -> list[Any]:
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        return connection.execute(sql).fetchall()


def measure_file(file: Path) -> dict[str, list[Any]]:
    """All of raw and the marts in a file, but for when and by which load each row came."""
    tables = query_file(
        file,
        "select schema_name || '.' || table_name from duckdb_tables() where schema_name in ('raw', 'marts')",
    )
    found = {}
    for (table,) in tables:
        columns = query_file(file, f"select column_name from (describe {table})")
        kept = ", ".join(f'"{column}"' for (column,) in columns if column not in ABOUT_LOADS)
        found[table] = query_file(file, f"select {kept} from {table} order by all")
    return found


@pytest.fixture
def query() -> Callable[[Path, str], list[Any]]:
    return query_file


@pytest.fixture
def measured() -> Callable[[Path], dict[str, list[Any]]]:
    return measure_file

"""The recount of the windows finds each way in which a window can be wrong."""

from datetime import UTC, datetime

import duckdb
import pytest
from test_windows_and_days import load_demo

from ingestion.paths import DataPaths
from orchestration.build.run_dbt import build_models, run_command
from orchestration.settings import get_settings


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> DataPaths:
    """Build three demo days of ten stations."""
    paths = DataPaths(tmp_path_factory.mktemp("windows") / "data")
    load_demo(paths, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 4, tzinfo=UTC))
    build_models(get_settings(), paths)
    return paths


@pytest.mark.parametrize(
    ("mistake", "status"),
    [
        ("precipitation_24h_mm = precipitation_24h_mm", "pass"),
        ("precipitation_24h_mm = precipitation_24h_mm + 0.1", "fail"),
        ("precipitation_24h_mm = 0 where precipitation_24h_mm is null", "fail"),
        ("precipitation_24h_hours = precipitation_24h_hours - 1", "fail"),
        ("temperature_max_24h_c = temperature_max_c where temperature_max_24h_c is not null", "fail"),
        ("temperature_max_24h_hours = temperature_max_12h_hours", "fail"),
    ],
)
def test_a_wrong_window_is_caught(built: DataPaths, mistake: str, status: str):
    whole = built.build_file.read_bytes()
    with duckdb.connect(str(built.build_file)) as connection:
        connection.execute(f"update marts.hourly_observations set {mistake}")
    nodes = run_command(["build", "--select", "assert_windows_recount"], get_settings(), built)
    built.build_file.write_bytes(whole)
    assert [(node.name, node.status) for node in nodes] == [("assert_windows_recount", status)]

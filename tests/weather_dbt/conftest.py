from collections.abc import Callable
from typing import Any

import duckdb
import pytest

from ingestion.paths import DataPaths
from orchestration.build.run_dbt import build_models
from orchestration.settings import get_settings


@pytest.fixture
def build(paths: DataPaths) -> Callable[[], None]:
    """Build and test every model, for real."""

    def run() -> None:
        nodes = build_models(get_settings(), paths)
        assert [str(node) for node in nodes if not node.is_good] == []

    return run


@pytest.fixture
def query(paths: DataPaths) -> Callable[..., list[dict[str, Any]]]:
    """Rows of the build file as dictionaries, times in UTC."""

    def run(sql: str, *parameters: object) -> list[dict[str, Any]]:
        with duckdb.connect(str(paths.build_file), read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            found = connection.execute(sql, list(parameters))
            names = [column[0] for column in found.description or []]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    return run

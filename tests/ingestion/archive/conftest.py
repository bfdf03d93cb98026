from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from archive_files import Archive

from ingestion.paths import DataPaths


@pytest.fixture
def archive(paths: DataPaths, tmp_path: Path) -> Archive:
    return Archive(paths, tmp_path / "incoming")


@pytest.fixture
def at() -> Callable[[int], datetime]:
    """A moment by its day of January 2026."""
    return lambda day: datetime(2026, 1, day, tzinfo=UTC)

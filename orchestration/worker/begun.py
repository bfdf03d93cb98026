"""Marks of the runs that this host has begun: what a killed service left is known by them."""

from contextlib import suppress
from pathlib import Path

from ingestion.paths import DataPaths


def _folder(paths: DataPaths) -> Path:
    return paths.root / "service" / "begun"


def mark_begun(paths: DataPaths, run_id: str) -> None:
    """Mark a run while its process lives; a kill leaves the mark."""
    with suppress(OSError):  # a full disk: the run itself says so
        _folder(paths).mkdir(parents=True, exist_ok=True)
        (_folder(paths) / run_id).touch()


def unmark_begun(paths: DataPaths, run_id: str) -> None:
    with suppress(OSError):
        (_folder(paths) / run_id).unlink(missing_ok=True)


def begun_runs(paths: DataPaths) -> set[str]:
    """Ids of the runs that are marked."""
    folder = _folder(paths)
    return {mark.name for mark in folder.iterdir()} if folder.exists() else set()

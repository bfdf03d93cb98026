"""The shelf of the settings; with no SHELF_URL there is none, and everything is as on one machine."""

from contextlib import suppress

from ingestion.paths import DataPaths
from orchestration.errors import ShelfAway
from orchestration.settings import OrchestrationSettings
from orchestration.shelf.shelf import Shelf
from orchestration.shelf.store import open_store


def open_shelf(settings: OrchestrationSettings, paths: DataPaths) -> Shelf | None:
    """Open the shelf of SHELF_URL, or none; nothing is asked of the store yet. Raises ShelfUnusable."""
    if settings.shelf_url is None:
        return None
    return Shelf(open_store(settings.shelf_url), paths, settings.snapshots_keep)


def check_shelf(settings: OrchestrationSettings) -> None:
    """Raise ShelfUnusable where the store cannot fence workers off; one that is away is checked by the first run."""
    if settings.shelf_url is not None and settings.role != "reader":
        with suppress(ShelfAway):
            open_store(settings.shelf_url).check_conditions()

"""Publishing the build file on one machine, or for all hosts. It imports dbt, which a reader does without."""

from ingestion.paths import DataPaths
from orchestration.shelf.shelf import Shelf
from orchestration.snapshots.publish import publish_build
from orchestration.snapshots.snapshots import Manifest


def publish_everywhere(
    paths: DataPaths, shelf: Shelf | None, *, keep: int, run_id: str | None = None, force: bool = False
) -> Manifest:
    """Publish the build file here and, with a shelf, for all hosts at once. Raises Fenced, ShelfAway."""
    before_serving = shelf.publish if shelf is not None else None
    return publish_build(paths, keep=keep, run_id=run_id, force=force, before_serving=before_serving)

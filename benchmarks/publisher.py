"""Publishes over and over what runs would: an hour of all France more, models rebuilt and tested, the file copied."""

from datetime import timedelta

from benchmarks.history import load_month, newest_hour
from ingestion.paths import DataPaths
from ingestion.settings import get_settings as get_ingestion_settings
from orchestration.pipeline import build_and_record
from orchestration.settings import get_settings
from orchestration.snapshots.publish import publish_build
from orchestration.worker.cores import leave_a_core_to_readers


def main() -> None:
    """Publish until the process is ended."""
    leave_a_core_to_readers()
    paths, settings = DataPaths(get_ingestion_settings().data_dir), get_settings()
    hour = newest_hour(paths)
    while True:
        hour += timedelta(hours=1)
        load_month(paths, hour, hour + timedelta(hours=1))
        build_and_record(settings, paths, None, lambda _: None)
        publish_build(paths, keep=settings.snapshots_keep)


if __name__ == "__main__":
    main()

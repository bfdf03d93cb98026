"""Publishes over and over what a run would: models rebuilt and tested, the file copied, the pointer moved."""

from ingestion.paths import DataPaths
from ingestion.settings import get_settings as get_ingestion_settings
from orchestration.pipeline import build_and_record
from orchestration.publish import publish_build
from orchestration.settings import get_settings


def main() -> None:
    """Publish until the process is ended."""
    paths, settings = DataPaths(get_ingestion_settings().data_dir), get_settings()
    while True:
        build_and_record(settings, paths, None, lambda _: None)
        publish_build(paths, keep=3)


if __name__ == "__main__":
    main()

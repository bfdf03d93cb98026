"""`python -m ingestion`: fetch and load départements, or load captured files, without dbt or Prefect."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from ingestion.departments import resolve_all
from ingestion.errors import IngestionError, printable
from ingestion.ingest import ingest_packet, open_session
from ingestion.paths import DataPaths
from ingestion.replay import load_files, load_left_behind
from ingestion.settings import IngestionSettings, get_settings
from ingestion.sources import SOURCES
from ingestion.storage import storage_faults
from ingestion.writer_lock import writer_lock


def say(line: str) -> None:
    """Print one line at once, so that a log file tells as much as a terminal."""
    print(line, flush=True)  # noqa: T201 - this is the command line's voice


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the process's exit code: 0, or 1 when anything was not loaded."""
    options = _parser().parse_args(arguments)
    settings = get_settings()
    if options.file and settings.meteofrance_source == "auto":
        # Captured payloads are Météo-France's own; a token is not needed to read a file.
        settings = settings.model_copy(update={"meteofrance_source": "meteofrance"})
    try:
        paths = DataPaths(settings.data_dir)
        with storage_faults(paths), writer_lock(paths, "python -m ingestion", say):
            load_left_behind(settings, say)
            return _load_files(settings, options.file) if options.file else _ingest(settings, options.dept)
    except IngestionError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ingestion", description=__doc__)
    parser.add_argument(
        "--dept",
        action="append",
        metavar="CODE_OR_NAME",
        help="département, e.g. 9, 09, 2A, Ariège, or `all`; repeats (default: DEPTS)",
    )
    parser.add_argument(
        "--file", nargs="+", type=Path, metavar="PATH", help="load captured payloads instead, in this order"
    )
    return parser


def _ingest(settings: IngestionSettings, departments: Sequence[str] | None) -> int:
    source = SOURCES[settings.source]
    requests = source.plan(resolve_all(departments or settings.depts), datetime.now(UTC))
    if source.notice and (notice := source.notice(settings)):
        say(notice)
    failed = 0
    with open_session(settings) as session:
        for request in requests:
            try:
                say(f"{request}: {ingest_packet(settings, request, session=session)}")
            except IngestionError as error:
                failed += 1
                print(f"{request}: error: {error}", file=sys.stderr, flush=True)  # noqa: T201
    return 1 if failed else 0


def _load_files(settings: IngestionSettings, files: Sequence[Path]) -> int:
    failed = 0
    for file, result in load_files(settings, files):
        if isinstance(result, IngestionError):
            failed += 1
            print(f"error: {result}", file=sys.stderr, flush=True)  # noqa: T201
        else:
            say(f"{printable(file.name)}: {result}")
    if failed and len(files) > 1:
        say(f"{len(files) - failed} of {len(files)} files loaded")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

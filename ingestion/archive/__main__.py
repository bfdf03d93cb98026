"""`python -m ingestion.archive`: load official days of the open archive, from files or from the listing."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ingestion.archive.load import given_by_hand, load_days
from ingestion.errors import IngestionError
from ingestion.paths import DataPaths
from ingestion.settings import SourceName, get_settings
from ingestion.storage import storage_faults


def say(line: str) -> None:
    """Print one line at once."""
    print(line, flush=True)  # noqa: T201 - this is the command line's voice


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the process's exit code: 0, or 1 when any file was not loaded."""
    options = _parser().parse_args(arguments)
    settings = get_settings()
    paths = DataPaths(settings.data_dir)
    # Files given by hand are Météo-France's own, as for `python -m ingestion --file`.
    source: SourceName = "meteofrance" if settings.meteofrance_source == "auto" else settings.meteofrance_source
    return _load_files(paths, options.file, source, accept=options.accept)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ingestion.archive", description=__doc__)
    parser.add_argument(
        "--file",
        nargs="+",
        type=Path,
        required=True,
        metavar="PATH",
        help="files of days (Q_…_RR-T-Vent.csv or .csv.gz)",
    )
    parser.add_argument("--accept", action="store_true", help="load files that lost rows all the same")
    return parser


def _load_files(paths: DataPaths, files: Sequence[Path], source: SourceName, *, accept: bool) -> int:
    failed = 0
    for file in files:
        try:
            with storage_faults(paths):
                say(f"{file.name}: {load_days(paths, file, given_by_hand(file), source, accept=accept)}")
        except IngestionError as error:
            failed += 1
            print(f"error: {error}", file=sys.stderr)  # noqa: T201
    if failed:
        print(f"error: {failed} of {len(files)} files were not loaded", file=sys.stderr)  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

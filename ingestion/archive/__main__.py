"""`python -m ingestion.archive`: load days and hours of the open archive, from files or from the listing."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ingestion.archive.backfill import backfill, refresh
from ingestion.archive.datasets import ARCHIVE_DATASETS
from ingestion.archive.load import given_by_hand, load_file
from ingestion.archive.terminal import say, shown_progress
from ingestion.departments import resolve_all
from ingestion.errors import IngestionError
from ingestion.paths import DataPaths
from ingestion.settings import IngestionSettings, get_settings
from ingestion.sources import SOURCES
from ingestion.storage import storage_faults


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the process's exit code: 0, or 1 when any file was not loaded."""
    options = _parser().parse_args(arguments)
    settings = get_settings()
    try:
        if options.file:
            # Files given by hand are Météo-France's own, as for `python -m ingestion --file`.
            source: str = "meteofrance" if settings.meteofrance_source == "auto" else settings.meteofrance_source
            return _load_files(DataPaths(settings.data_dir), options.file, source, accept=options.accept)
        return _backfill(settings, options)
    except IngestionError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ingestion.archive", description=__doc__)
    parser.add_argument(
        "--dept",
        action="append",
        metavar="CODE_OR_NAME",
        help="département whose listed files to load, or `all`; repeats (default: DEPTS)",
    )
    parser.add_argument("--since", type=int, default=1991, metavar="YEAR", help="leave out files that end before it")
    parser.add_argument(
        "--dataset", action="append", choices=ARCHIVE_DATASETS, help="data set to load; repeats (default: days)"
    )
    parser.add_argument("--to", type=int, metavar="YEAR", help="leave out files that begin after it")
    parser.add_argument(
        "--refresh", action="store_true", help="load what changed upstream of the départements loaded so far instead"
    )
    parser.add_argument(
        "--file",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="load files of days (Q_….csv[.gz]) or hours (H_….csv[.gz]), or folders of them, instead",
    )
    parser.add_argument("--accept", action="store_true", help="load files that lost rows all the same")
    return parser


def _backfill(settings: IngestionSettings, options: argparse.Namespace) -> int:
    notice = SOURCES[settings.source].notice
    if notice and (sentence := notice(settings)):
        say(sentence)
    with shown_progress() as shown:
        if options.refresh:
            done = refresh(settings, shown.say, tell=shown.tell)
        else:
            departments = resolve_all(options.dept or settings.depts)
            done = backfill(
                settings,
                departments,
                options.since,
                shown.say,
                to=options.to,
                datasets=options.dataset or ("days",),
                accept=options.accept,
                tell=shown.tell,
            )
    say(f"{done}; the next run, or `make publish`, shows them")
    return 1 if done.failures else 0


def _load_files(paths: DataPaths, files: Sequence[Path], source: str, *, accept: bool) -> int:
    failed = 0
    # Of a folder, files of other data sets are left: upstream's own folders hold some beside each other.
    files = [
        file
        for path in files
        for file in (sorted([*path.glob("H_*.csv*"), *path.glob("Q_*.csv*")]) if path.is_dir() else [path])
    ]
    for file in files:
        try:
            with storage_faults(paths):
                say(f"{file.name}: {load_file(paths, file, given_by_hand(file), source, accept=accept)}")
        except IngestionError as error:
            failed += 1
            print(f"error: {error}", file=sys.stderr)  # noqa: T201
    if failed:
        print(f"error: {failed} of {len(files)} files were not loaded", file=sys.stderr)  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""`python -m orchestration build|publish|rollback|rebuild|…`: steps by hand, behind the Makefile."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from ingestion.errors import IngestionError
from ingestion.landing import landed_payloads
from ingestion.paths import DataPaths
from ingestion.raw_store import check_version, held_source
from ingestion.replay import rebuild_raw
from ingestion.settings import get_settings as get_ingestion_settings
from ingestion.storage import storage_faults
from ingestion.upgrade import hours_missing
from ingestion.writer_lock import writer_lock
from orchestration.backup import frozen, restore_backup, write_backup
from orchestration.build.run_dbt import run_command
from orchestration.closed_months.close_months import close_months
from orchestration.errors import NothingLoaded, OrchestrationError, RebuildIncomplete
from orchestration.pipeline import build_and_record
from orchestration.settings import get_settings
from orchestration.shelf.opening import open_shelf
from orchestration.shelf.publishing import publish_everywhere
from orchestration.snapshots.snapshots import roll_back

_REBUILD = ".rebuild-"


def say(line: str) -> None:
    """Print one line at once."""
    print(line, flush=True)  # noqa: T201 - the command line's voice


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step; return the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m orchestration", description=__doc__)
    parser.add_argument("step", choices=sorted([*_STEPS, "backup", "restore"]))
    parser.add_argument("--snapshot", metavar="ID", help="with rollback: the snapshot to serve")
    parser.add_argument(
        "--to", type=Path, default=Path("backups"), metavar="FOLDER", help="with backup: the folder to write it to"
    )
    parser.add_argument("--from", type=Path, dest="backup", metavar="FILE", help="with restore: the backup")
    parser.add_argument(
        "--force",
        action="store_true",
        help="with restore: replace what is in DATA_DIR; with rebuild and publish: accept a loss of rows",
    )
    options = parser.parse_args(arguments)
    _refuse_idle_options(parser, options)
    paths = DataPaths(get_ingestion_settings().data_dir)
    try:
        with storage_faults(paths):
            if options.step == "backup":
                backup(paths, options.to)
            elif options.step == "restore":
                restore(paths, options.backup, force=options.force)
            else:
                with writer_lock(paths, f"python -m orchestration {options.step}", say):
                    forced = {"force": True} if options.force and options.step in _FORCED else {}
                    _STEPS[options.step](paths, options.snapshot, **forced)
    except (IngestionError, OrchestrationError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _refuse_idle_options(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Refuse an option that the step would not heed: it was meant for something."""
    if options.step == "restore" and options.backup is None:
        parser.error("restore needs --from FILE (make restore FROM=…)")
    for name, given, steps in (
        ("--snapshot", options.snapshot is not None, ("rollback",)),
        ("--to", options.to != parser.get_default("to"), ("backup",)),
        ("--from", options.backup is not None, ("restore",)),
        ("--force", options.force, ("restore", *_FORCED)),
    ):
        if given and options.step not in steps:
            parser.error(f"{options.step} takes no {name}; it goes with {' and '.join(steps)}")


def _require_data(paths: DataPaths) -> None:
    """Raise NothingLoaded before anything is made in a folder without data."""
    check_version(paths)
    if held_source(paths) is None:
        raise NothingLoaded(paths.root)


def build(paths: DataPaths, _: str | None = None) -> None:
    """Build and test the models in the build file."""
    _require_data(paths)
    settings = get_settings()
    build_and_record(settings, paths, None, say)
    close_months(paths, settings.close_above_mb, say)


def publish(paths: DataPaths, _: str | None = None, *, force: bool = False) -> None:
    """Publish the tested build file as a new snapshot."""
    check_version(paths)
    shelf = open_shelf(get_settings(), paths)
    manifest = publish_everywhere(paths, shelf, keep=get_settings().snapshots_keep, force=force)
    say(f"snapshot {manifest.id} published: {paths.published} points to it")


def rollback(paths: DataPaths, snapshot_id: str | None = None) -> None:
    """Serve the snapshot before the one served, or the one named."""
    shelf = open_shelf(get_settings(), paths)
    if shelf is not None:
        snapshot_id = shelf.serve(snapshot_id)
        shelf.follow()
    manifest = roll_back(paths, snapshot_id)
    say(
        f"snapshot {manifest.id} of {manifest.published_at} is served again; the next run with new data publishes again"
    )


def rebuild(paths: DataPaths, _: str | None = None, *, force: bool = False) -> None:
    """Rebuild the build file from the landing zone, then build, test and publish it.

    The old file is replaced only by one that holds all its hours, or with `force`.
    """
    settings = get_ingestion_settings()
    # What the warehouse holds decides, not whether a token is set in this shell.
    settings = settings.model_copy(update={"meteofrance_source": held_source(paths) or settings.source})
    landing = paths.landing / settings.source
    if (shelf := open_shelf(get_settings(), paths)) is not None:
        shelf.take_state(say)
        say(f"{shelf.fetch_landed()} payloads fetched that other hosts landed")
    if held_source(paths) is None and next(landed_payloads(landing), None) is None:
        raise NothingLoaded(paths.root)
    for left_behind in paths.root.glob(f"{_REBUILD}*"):
        shutil.rmtree(left_behind)
    with tempfile.TemporaryDirectory(prefix=_REBUILD, dir=paths.root) as folder:
        new = DataPaths(Path(folder))
        count = rebuild_raw(settings, say, into=new)
        missing = hours_missing(new.build_file, paths.build_file) if paths.build_file.exists() else None
        if missing and not force:
            raise RebuildIncomplete(missing, landing)
        paths.build_file.parent.mkdir(parents=True, exist_ok=True)
        paths.build_file.with_name(f"{paths.build_file.name}.wal").unlink(missing_ok=True)
        new.build_file.replace(paths.build_file)
    say(f"{count} payloads loaded again from {landing}")
    build(paths)
    publish(paths, force=force)


def docs(paths: DataPaths, _: str | None = None) -> None:
    """Write dbt's documentation as one page."""
    _require_data(paths)
    run_command(["docs", "generate", "--static"], get_settings(), paths)
    say(f"open {paths.dbt_target / 'static_index.html'}")


def freshness(paths: DataPaths, _: str | None = None) -> None:
    """Ask dbt how old the sources are."""
    _require_data(paths)
    run_command(["source", "freshness"], get_settings(), paths, on_node=lambda node: say(str(node)))


def backup(paths: DataPaths, target: Path) -> None:
    """Write a backup. Runs wait only while the files are frozen, not while they are written."""
    with ExitStack() as held:
        with writer_lock(paths, "python -m orchestration backup", say):
            folder = held.enter_context(frozen(paths))
        file = write_backup(paths, folder, target)
    say(f"{file} ({file.stat().st_size / 1e6:.1f} MB): `make restore FROM={file}` lays it into an empty DATA_DIR")


def restore(paths: DataPaths, file: Path, *, force: bool) -> None:
    about = restore_backup(file, paths, force=force)
    say(f"{len(about['files'])} files of {about['made_at']} are in {paths.root}, snapshot {about['served']} is served")


_FORCED = ("publish", "rebuild")
_STEPS: dict[str, Callable[..., None]] = {
    "build": build,
    "publish": publish,
    "rollback": rollback,
    "rebuild": rebuild,
    "docs": docs,
    "freshness": freshness,
}

if __name__ == "__main__":
    sys.exit(main())

"""`python -m orchestration build|publish|rollback|rebuild|docs|freshness`: steps by hand, behind the Makefile."""

import argparse
import sys
from collections.abc import Sequence

from ingestion.errors import IngestionError
from ingestion.paths import DataPaths
from ingestion.replay import rebuild_raw
from ingestion.settings import get_settings as get_ingestion_settings
from ingestion.storage import storage_faults
from ingestion.writer_lock import writer_lock
from orchestration.errors import OrchestrationError
from orchestration.pipeline import build_and_record
from orchestration.publish import publish_build
from orchestration.settings import get_settings
from orchestration.snapshots import roll_back
from orchestration.transform import run_command


def say(line: str) -> None:
    """Print one line at once."""
    print(line, flush=True)  # noqa: T201 - the command line's voice


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step; return the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m orchestration", description=__doc__)
    parser.add_argument("step", choices=sorted(_STEPS))
    parser.add_argument("--snapshot", metavar="ID", help="with rollback: the snapshot to serve")
    options = parser.parse_args(arguments)
    paths = DataPaths(get_ingestion_settings().data_dir)
    try:
        with storage_faults(paths), writer_lock(paths, f"python -m orchestration {options.step}", say):
            _STEPS[options.step](paths, options.snapshot)
    except (IngestionError, OrchestrationError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def build(paths: DataPaths, _: str | None = None) -> None:
    """Build and test the models in the build file."""
    build_and_record(get_settings(), paths, None, say)


def publish(paths: DataPaths, _: str | None = None) -> None:
    """Publish the tested build file as a new snapshot."""
    manifest = publish_build(paths, keep=get_settings().snapshots_keep)
    say(f"snapshot {manifest.id} published: {paths.published} points to it")


def rollback(paths: DataPaths, snapshot_id: str | None = None) -> None:
    """Serve the snapshot before the one served, or the one named."""
    manifest = roll_back(paths, snapshot_id)
    say(f"snapshot {manifest.id} of {manifest.published_at} is served again; the next run with news publishes anew")


def rebuild(paths: DataPaths, _: str | None = None) -> None:
    """Make the build file anew from the landing zone, build, test and publish it."""
    settings = get_ingestion_settings()
    for file in (paths.build_file, paths.build_file.with_name(f"{paths.build_file.name}.wal")):
        file.unlink(missing_ok=True)
    say(f"{rebuild_raw(settings, say)} payloads loaded again from {paths.landing / settings.source}")
    build(paths)
    publish(paths)


def docs(paths: DataPaths, _: str | None = None) -> None:
    """Write dbt's documentation as one page."""
    run_command(["docs", "generate", "--static"], get_settings(), paths)
    say(f"open {paths.dbt_target / 'static_index.html'}")


def freshness(paths: DataPaths, _: str | None = None) -> None:
    """Ask dbt how old the sources are."""
    run_command(["source", "freshness"], get_settings(), paths, on_node=lambda node: say(str(node)))


_STEPS = {
    "build": build,
    "publish": publish,
    "rollback": rollback,
    "rebuild": rebuild,
    "docs": docs,
    "freshness": freshness,
}

if __name__ == "__main__":
    sys.exit(main())

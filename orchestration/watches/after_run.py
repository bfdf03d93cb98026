"""The end of a run: judge the watches, send what there is to say. Nothing of it can fail the run."""

import sqlite3
from collections.abc import Callable

import duckdb

from ingestion.paths import DataPaths
from orchestration.notices.events import announce
from orchestration.notices.outbox import send_due
from orchestration.snapshots.snapshots import Manifest
from orchestration.watches.evaluate import Told, judge_watches


def tell_watchers(
    paths: DataPaths,
    snapshot: Manifest | None,
    operator: tuple[str, ...],
    say: Callable[[str], None],
    announce: Callable[[Told], None] = lambda _: None,
) -> None:
    """Judge the newest snapshot, and send what is due. `announce` is given each change, without any address."""
    try:
        for told in judge_watches(paths, snapshot) if snapshot is not None else ():
            say(f"watch {told.watch.id}: {told.title}")
            announce(told)
        send_due(paths, operator)
    except (OSError, sqlite3.Error, duckdb.Error) as error:  # the next run, or the service, tries again
        say(f"the watches were not judged and are tried again: {error}")
    except Exception as error:  # its text may hold anything
        say(f"the watches were not judged and are tried again: {type(error).__name__}")


def announce_watch(told: Told) -> None:
    facts = {"title": told.title, "began_at": told.began_at, "station": told.station, "snapshot": told.snapshot}
    announce(f"watch.{told.kind}", f"watch.{told.watch.id}", told.watch.name, facts)

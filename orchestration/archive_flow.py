"""The flows of the open archive: a back-fill, and the daily refresh. One task per file, two fetches at once."""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, cast
from uuid import UUID

import httpx
from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from ingestion import settings as ingestion_settings
from ingestion.archive.backfill import FETCHES_AT_ONCE, Backfill, Backfilled, Outcome, carry_out, open_backfill
from ingestion.archive.listing import Listed
from ingestion.archive.load import Loaded
from ingestion.archive.plan import Wish
from ingestion.archive.progress import Progress
from ingestion.departments import label_of, resolve_all
from ingestion.errors import IngestionError, SourceMismatch, StorageFailed
from ingestion.paths import DataPaths
from ingestion.storage import storage_faults
from ingestion.writer_lock import writer_lock
from orchestration.build.run_dbt import Say
from orchestration.errors import Fenced, NothingToPublish, OrchestrationError
from orchestration.progress import note
from orchestration.runs.archive import BACKFILL_FLOW, FIRST_YEAR, REFRESH_FLOW
from orchestration.runs.parameters import as_texts
from orchestration.settings import get_settings
from orchestration.shelf.opening import open_shelf
from orchestration.shelf.publishing import publish_everywhere
from orchestration.snapshots.publish import is_up_to_date
from orchestration.snapshots.snapshots import Manifest

_TRIES = 3  # to publish, while other hosts publish too


def name_of_backfill() -> str:
    """Name a run after what it loads: `days of Ariège (9)`."""
    try:
        departments = label_of(resolve_all(as_texts(flow_run.parameters["dept"])))
    except IngestionError:
        departments = "unknown département"  # the run itself says which, and fails
    return f"{', '.join(as_texts(flow_run.parameters['datasets']))} of {departments}"


@flow(
    name=BACKFILL_FLOW,
    flow_run_name=name_of_backfill,
    task_runner=ThreadPoolTaskRunner(max_workers=FETCHES_AT_ONCE),  # type: ignore[arg-type]
    persist_result=False,
)
def weather_archive_backfill(
    dept: str | list[str] = "9",
    datasets: str | list[str] = "days",
    since: int | None = FIRST_YEAR,
    to: int | None = None,
) -> State:
    """Load the open archive's files of some départements, then publish them. Known files are not fetched again."""
    try:
        wish = Wish(resolve_all(as_texts(dept)), as_texts(datasets), since, to)
    except IngestionError as error:
        return Failed(message=str(error))
    return _run(wish)


@flow(
    name=REFRESH_FLOW,
    flow_run_name="refresh of the archive",
    task_runner=ThreadPoolTaskRunner(max_workers=FETCHES_AT_ONCE),  # type: ignore[arg-type]
    persist_result=False,
)
def weather_archive_refresh() -> State:
    """Load what changed upstream of the départements that the archive has, then publish it."""
    return _run(None)


@task(name="load archive file", task_run_name="load {listed.name}", cache_policy=NO_CACHE)
def load_file(backfill: Backfill, listed: Listed) -> Loaded | State:
    """Fetch and load one file; what goes wrong with it is the task's state, told in one line."""
    try:
        return backfill.load(listed)
    except (SourceMismatch, StorageFailed):
        raise
    except IngestionError as error:
        return Failed(message=str(error), data=error)


def take_archive(paths: DataPaths, say: Say) -> None:
    """Learn what other hosts have loaded, so that it is not fetched again."""
    if (shelf := open_shelf(get_settings(), paths)) is not None:
        with storage_faults(paths), writer_lock(paths, "a back-fill that takes the archive", say):
            shelf.take_state(say)


def publish_archive(paths: DataPaths, run_id: str | None, say: Say) -> Manifest | None:
    """Publish the archive's new files, unless an hourly run has done so; None where it has, or where it must first.

    The writer's lock is held for the publication only.
    """
    shelf = open_shelf(get_settings(), paths)
    for tries_left in reversed(range(_TRIES)):
        with storage_faults(paths), writer_lock(paths, "the publication of the archive", say):
            if shelf is not None:
                shelf.take_state(say)
            if not paths.build_file.exists():
                say("nothing is built yet: the first hourly run publishes the archive")
                return None
            if is_up_to_date(paths):
                return None
            try:
                return publish_everywhere(paths, shelf, keep=get_settings().snapshots_keep, run_id=run_id)
            except NothingToPublish:
                say("the build is not tested yet: the next hourly run publishes the archive")
                return None
            except Fenced:  # another host's hourly run came first: the archive goes with its build file
                if not tries_left:
                    raise
    return None


def _run(wish: Wish | None) -> State:
    log = get_run_logger()
    settings = ingestion_settings.get_settings()
    paths = DataPaths(settings.data_dir)
    board = _Board(paths)
    try:
        take_archive(paths, log.info)
        with open_backfill(settings, log.info) as backfill:
            plan = backfill.plan(wish)
            done = carry_out(backfill, plan, lambda files: _load_all(backfill, files), log.info, board.show)
        snapshot = publish_archive(paths, flow_run.id, log.info)
    except (IngestionError, OrchestrationError) as error:
        log.error("%s", error)  # noqa: TRY400 - the message says it all; the trace would bury it
        note(paths, flow_run.id, "failed", error=str(error))
        return Failed(message=str(error))
    return _end(done, snapshot, board)


def _load_all(backfill: Backfill, files: Sequence[Listed]) -> Iterable[tuple[Listed, Outcome]]:
    # Few tasks wait at a time: after an error that ends the back-fill, the rest are not begun.
    under_way: deque[tuple[Listed, PrefectFuture[Any]]] = deque()
    waiting = iter(files)
    while True:
        for listed in islice(waiting, FETCHES_AT_ONCE + 1 - len(under_way)):
            under_way.append((listed, load_file.submit(backfill, listed)))
        if not under_way:
            return
        listed, future = under_way.popleft()
        future.wait()
        yield listed, _outcome(future.state)


def _outcome(state: State[Any]) -> Outcome:
    result = state.result(raise_on_failure=False)
    if isinstance(result, Loaded | IngestionError) and not isinstance(result, SourceMismatch | StorageFailed):
        return result
    raise result


class _Board:
    """Shows the progress: a bar in Prefect's UI, and records for our own API."""

    def __init__(self, paths: DataPaths) -> None:
        self._paths, self._run_id = paths, flow_run.id
        self._artifact: UUID | None = None

    def show(self, progress: Progress) -> None:
        note(self._paths, self._run_id, "archive", **progress.facts())
        if progress.file:
            facts: dict[str, Any] = {"error": progress.error} if progress.error else {"new": progress.file_rows}
            place = {"name": progress.file, "n": progress.files_done, "of": progress.files}
            note(self._paths, self._run_id, "packet", **place, **facts)
        try:
            if self._artifact is None:
                made = create_progress_artifact(
                    100 * progress.share, key="weather-archive-progress", description=str(progress)
                )
                self._artifact = cast("UUID", made)
            else:
                update_progress_artifact(self._artifact, 100 * progress.share, description=str(progress))
        except httpx.HTTPError as error:  # the bar is only for display
            get_run_logger().debug("no progress in Prefect: %s", error)

    def end(self, text: str, done: Backfilled, snapshot: Manifest | None) -> None:
        note(
            self._paths,
            self._run_id,
            "summary",
            rows_new=done.rows,
            snapshot=snapshot.id if snapshot else None,
            is_published=snapshot is not None,
            text=text,
        )


def _end(done: Backfilled, snapshot: Manifest | None, board: _Board) -> State:
    log = get_run_logger()
    end = f"snapshot {snapshot.id} published: {done}" if snapshot else str(done)
    log.info("%s", end)
    board.end(end, done, snapshot)
    try:
        create_markdown_artifact(render(done), key="weather-archive-summary", description=end)
    except httpx.HTTPError as error:
        log.warning("no summary in Prefect, whose server did not take it: %s", error)
    if done.failures and not done.loaded:
        return Failed(message=end)
    return Completed(message=end, name=None if done.loaded else "NoNewData")


def render(done: Backfilled) -> str:
    """Show what was loaded and what was not as Markdown."""
    lines = ["| file | rows | from | to |", "|---|--:|---|---|"]
    lines += [f"| {entry.name} | {entry.rows:,} | {entry.first_day} | {entry.last_day} |" for entry in done.loaded]
    lines += [f"| {name} | not loaded: {why} | | |" for name, why in done.failures.items()]
    return "\n".join([*lines, "", *(f"- {remark}" for remark in done.remarks)])

"""The flow of a run: the pipeline's steps as Prefect tasks, and how a run ends."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from ingestion import settings as ingestion_settings
from ingestion.departments import label_of, resolve_all
from ingestion.errors import IngestionError, SourceMismatch
from ingestion.ingest import open_session
from ingestion.load_log import LoadResult
from ingestion.paths import DataPaths
from ingestion.source import PacketRequest
from orchestration import tasks
from orchestration.artifacts import publish_summary
from orchestration.closed_months.close_months import close_months
from orchestration.errors import OrchestrationError
from orchestration.pipeline import FETCHES_AT_ONCE, Outcome, Steps, run_pipeline
from orchestration.progress import note
from orchestration.runs.parameters import as_texts
from orchestration.settings import get_settings
from orchestration.shelf.opening import open_shelf
from orchestration.snapshots.snapshots import discard_old
from orchestration.watches.after_run import announce_watch, tell_watchers


def name_of_run() -> str:
    """Name a run after what it fetches: `Ariège (9)`, `France`, `3 départements`."""
    try:
        return label_of(resolve_all(as_texts(flow_run.parameters["dept"])))
    except IngestionError:
        return "unknown département"  # the run itself says which, and fails


@flow(
    name="weather_hourly_pipeline",
    flow_run_name=name_of_run,
    task_runner=ThreadPoolTaskRunner(max_workers=FETCHES_AT_ONCE),  # type: ignore[arg-type]
    persist_result=False,  # said here, as Prefect would ask its server for each run
)
def weather_hourly_pipeline(dept: str | list[str] = "9", full: bool = False) -> State:
    """Fetch, land, build, test and publish the observations of one or more départements.

    `dept` takes codes or names (`9`, `09`, `2A`, `Ariège`), a list of them or several separated by
    commas, or `all`. `full` builds and publishes even when upstream has nothing new. Ends Completed (named
    `NoNewData` when there was nothing to do) or Failed with the reason; a failed run publishes nothing.
    """
    log = get_run_logger()
    ingestion = ingestion_settings.get_settings()
    paths = DataPaths(ingestion.data_dir)
    try:
        departments = resolve_all(as_texts(dept) or [""])  # an empty list names none: an error, too
        summary = run_pipeline(departments, _task_steps(flow_run.id, paths), ingestion, log.info, full=full)
    except (IngestionError, OrchestrationError) as error:
        log.error("%s", error)  # noqa: TRY400 - the message says it all; the trace would bury it
        note(paths, flow_run.id, "failed", error=str(error))
        return Failed(message=str(error))
    publish_summary(summary, log.warning)
    log.info("%s", summary)
    note(
        paths,
        flow_run.id,
        "summary",
        rows_new=summary.rows_new,
        rows_changed=summary.rows_changed,
        snapshot=summary.snapshot.id if summary.snapshot else None,
        is_published=summary.is_published,
        source=summary.source,
        seconds=round(summary.seconds, 3),
        text=str(summary),
    )
    return Completed(message=str(summary), name=None if summary.is_published else "NoNewData")


def _task_steps(run_id: str | None, paths: DataPaths) -> Steps:
    def ingest_all(requests: Sequence[PacketRequest]) -> Iterable[tuple[PacketRequest, Outcome]]:
        for number, (request, outcome) in enumerate(_ingest_all(requests, run_id), start=1):
            note(paths, run_id, "packet", name=request.label, n=number, of=len(requests), **_facts(outcome))
            yield request, outcome

    return Steps(
        ingest_all=ingest_all,
        install=tasks.dbt_deps,
        build=lambda: tasks.dbt_build(run_id),
        close=lambda let_go: close_months(paths, get_settings().close_above_mb, get_run_logger().info, let_go),
        publish=lambda: tasks.publish(run_id),
        discard=lambda: discard_old(paths, get_settings().snapshots_keep),
        tell=lambda snapshot: tell_watchers(
            paths, snapshot, get_settings().alert_addresses, get_run_logger().info, announce_watch
        ),
        shelf=open_shelf(get_settings(), paths),
    )


def _ingest_all(requests: Sequence[PacketRequest], run_id: str | None) -> Iterable[tuple[PacketRequest, Outcome]]:
    with open_session(ingestion_settings.get_settings()) as session:
        futures = [tasks.ingest.submit(request, run_id, session) for request in requests]
        for request, future in zip(requests, futures, strict=True):
            future.wait()
            yield request, _outcome(future.state)


def _facts(outcome: Outcome) -> dict[str, Any]:
    """Give what the run's record keeps of a packet; alerts are found by the kind of error and unknown columns."""
    if isinstance(outcome, IngestionError):
        return {"error": str(outcome), "error_kind": type(outcome).__name__}
    return asdict(outcome.counts) | ({"extra_columns": list(outcome.extra_columns)} if outcome.extra_columns else {})


def _outcome(state: State[Any]) -> Outcome:
    """Take a failed packet as a fact of the run, for the other packets to go on; any other error ends it."""
    result = state.result(raise_on_failure=False)
    if isinstance(result, LoadResult | IngestionError) and not isinstance(result, SourceMismatch):
        return result
    raise result

"""What a run does, in order, without Prefect: ingest, build, publish. The flow wraps these steps in tasks."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from ingestion.departments import Department
from ingestion.errors import IngestionError, SourceMismatch, printable
from ingestion.gaps import AskedHour
from ingestion.ingest import Session, ingest_packet, open_session
from ingestion.load_log import LoadResult
from ingestion.paths import DataPaths
from ingestion.raw_store import kept_open
from ingestion.replay import load_left_behind
from ingestion.settings import IngestionSettings
from ingestion.source import PacketRequest
from ingestion.sources import SOURCES
from ingestion.storage import storage_faults
from ingestion.writer_lock import writer_lock
from orchestration.build.build_log import begin_build, finish_build
from orchestration.build.run_dbt import NodeResult, Say, build_models, has_packages, install_packages
from orchestration.closed_months.close_months import close_months, reopen_all
from orchestration.errors import IngestionFailed
from orchestration.orders import carry_out_orders
from orchestration.progress import note
from orchestration.repair import rebuild_station_hours, repair_gaps, tell_repair
from orchestration.settings import OrchestrationSettings
from orchestration.shelf.publishing import publish_everywhere
from orchestration.shelf.shelf import Shelf
from orchestration.snapshots.publish import is_up_to_date, sweep
from orchestration.snapshots.snapshots import Manifest, discard_old, newest_snapshot, record_check, served_snapshot
from orchestration.watches.after_run import tell_watchers

# Fetches wait for the network, loads for one another: more threads would only queue.
FETCHES_AT_ONCE = 4

_REMARKS = 3  # of the packets, in the run's last line

Outcome = LoadResult | IngestionError


@dataclass
class RunSummary:
    """What one run did, for its last log line, its artifact and its final state."""

    source: str
    departments: Sequence[Department]
    loads: dict[str, LoadResult] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    nodes: list[NodeResult] = field(default_factory=list)
    repaired: list[AskedHour] = field(default_factory=list)
    snapshot: Manifest | None = None
    is_published: bool = False
    seconds: float = 0.0

    @property
    def rows_new(self) -> int:
        """Station-hours (and listed stations) never seen before."""
        return sum(load.counts.new for load in self.loads.values())

    @property
    def rows_changed(self) -> int:
        """Station-hours (and listed stations) whose values changed."""
        return sum(load.counts.changed for load in self.loads.values())

    @property
    def rows_rejected(self) -> int:
        """Rows that could not be keyed to a station and an hour; `meta.rejected_rows` says why."""
        return sum(load.counts.rejected for load in self.loads.values())

    def __str__(self) -> str:
        """Tell in one line how the run ended."""
        if not self.is_published:
            end = f"nothing new; snapshot {self.snapshot.id if self.snapshot else 'none'} stays served"
        else:
            end = f"snapshot {self.snapshot.id if self.snapshot else ''} published"
        rejected = f"; {self.rows_rejected:,} rows rejected, see meta.rejected_rows" if self.rows_rejected else ""
        remarks = [f"; {label}: {remark}" for label, load in self.loads.items() for remark in load.remarks]
        told = "".join(remarks[:_REMARKS]) + (f"; {len(remarks) - _REMARKS} more remarks" * (len(remarks) > _REMARKS))
        missed = ""
        if self.failures:
            first = next(iter(self.failures.values()))
            why = printable(first.rpartition(": ")[0] or first, 160)  # without the advice
            missed = f"; not loaded: {', '.join(self.failures)} ({'the first: ' * (len(self.failures) > 1)}{why})"
        return (
            f"{end}: {self.rows_new:,} new and {self.rows_changed:,} changed rows, "
            f"{len(self.nodes)} dbt nodes, source {self.source}, {self.seconds:.1f} s"
            f"{rejected}{told}{missed}{tell_repair(self.repaired)}"
        )


@dataclass(frozen=True)
class Steps:
    """The steps of a run. Plain functions here; the flow puts Prefect tasks in their place."""

    ingest_all: Callable[[Sequence[PacketRequest]], Iterable[tuple[PacketRequest, Outcome]]]
    install: Callable[[], None]
    build: Callable[[], list[NodeResult]]
    # The months that the build file has grown too large to hold; given what lets go of the file, which it may replace.
    close: Callable[[Callable[[], None]], object]
    publish: Callable[[], Manifest]
    discard: Callable[[], object]  # the snapshots over the limit, which a run killed after it published left
    # Judges the watches, published or not: a run killed between publishing and this left it to the next.
    tell: Callable[[Manifest | None], object]
    shelf: Shelf | None = None  # where hosts share what they publish


def run_pipeline(
    departments: Sequence[Department],
    steps: Steps,
    ingestion: IngestionSettings,
    say: Say,
    *,
    full: bool = False,
) -> RunSummary:
    """Run every step once, as the only writer.

    Raises IngestionFailed when nothing could be fetched, BuildFailed when dbt failed, StorageFailed when the
    machine refused to write; the snapshot served before stays served. With `full`, builds even when nothing is new.
    """
    started = time.perf_counter()
    paths = DataPaths(ingestion.data_dir)
    summary = RunSummary(ingestion.source, departments)
    source = SOURCES[ingestion.source]
    if source.notice and (notice := source.notice(ingestion)):
        say(notice)
    with storage_faults(paths), writer_lock(paths, "a run of the pipeline", say):
        sweep(paths)
        if steps.shelf is not None:
            steps.shelf.take_state(say)
        load_left_behind(ingestion, say)
        with ExitStack() as held:
            held.enter_context(kept_open(paths))
            now = utc_now()
            _ingest(summary, steps, source.plan(departments, now))
            if source.repair:
                asked, loads = repair_gaps(steps.ingest_all, source.repair, ingestion, departments, now, say)
                summary.repaired = asked
                summary.loads |= loads
                # What failed may still come as hourly rows: no other packets are asked for in its place.
                if not summary.failures and all(hour.answer != "failed" for hour in asked):
                    asked, loads = rebuild_station_hours(
                        steps.ingest_all, source.repair, ingestion, departments, now, say
                    )
                    summary.repaired += asked
                    summary.loads |= loads
            if full or not is_up_to_date(paths) or (steps.shelf is not None and steps.shelf.is_empty):
                if has_packages():
                    steps.install()
                summary.nodes = steps.build()
                steps.close(held.close)
                summary.snapshot = steps.publish()  # before the file is closed, which takes a tenth of a second
                summary.is_published = True
        if not summary.is_published:
            if newest := newest_snapshot(paths):
                record_check(paths, newest)
                if steps.shelf is not None:
                    steps.shelf.record_check()
            steps.discard()
            summary.snapshot = served_snapshot(paths)
        # After the publication, which waits for none of it: the next run builds what came.
        summary.repaired += carry_out_orders(ingestion, departments, now, say)
    steps.tell(summary.snapshot)
    summary.seconds = time.perf_counter() - started
    return summary


def plain_steps(
    ingestion: IngestionSettings,
    orchestration: OrchestrationSettings,
    run_id: str | None,
    say: Say,
    shelf: Shelf | None = None,
) -> Steps:
    """Give the steps as plain functions, for runs that no Prefect server records."""
    paths = DataPaths(ingestion.data_dir)

    def ingest_all(requests: Sequence[PacketRequest]) -> Iterable[tuple[PacketRequest, Outcome]]:
        with open_session(ingestion) as session, ThreadPoolExecutor(FETCHES_AT_ONCE) as pool:
            outcomes = pool.map(lambda request: try_to_ingest(ingestion, request, run_id, say, session), requests)
            yield from zip(requests, outcomes, strict=True)

    return Steps(
        ingest_all=ingest_all,
        install=lambda: install_packages(orchestration, paths),
        build=lambda: build_and_record(orchestration, paths, run_id, say),
        close=lambda let_go: close_months(paths, orchestration.close_above_mb, say, let_go),
        publish=lambda: publish_everywhere(paths, shelf, keep=orchestration.snapshots_keep, run_id=run_id),
        discard=lambda: discard_old(paths, orchestration.snapshots_keep),
        tell=lambda snapshot: tell_watchers(paths, snapshot, orchestration.alert_addresses, say),
        shelf=shelf,
    )


def try_to_ingest(
    ingestion: IngestionSettings, request: PacketRequest, run_id: str | None, say: Say, session: Session
) -> Outcome:
    """Ingest one packet. An error is logged and returned, so that the others go on."""
    try:
        result = ingest_packet(ingestion, request, run_id, session)
    except IngestionError as error:
        if isinstance(error, SourceMismatch):
            raise
        say(f"{request}: {error}")
        return error
    say(f"{request}: {result}")
    return result


def build_and_record(
    orchestration: OrchestrationSettings, paths: DataPaths, run_id: str | None, say: Say
) -> list[NodeResult]:
    """Build and test the models and write into meta.builds how it went; raises BuildFailed."""
    nodes: list[NodeResult] = []

    def hear(node: NodeResult) -> None:
        nodes.append(node)
        say(f"dbt: {node}")
        facts = asdict(node)
        note(paths, run_id, "node", node_kind=facts.pop("kind"), **facts)

    started, passed = time.perf_counter(), False
    with kept_open(paths):
        build_id, is_full = begin_build(paths, run_id)
        if is_full:
            say("dbt: full build, as the marts are new or the dbt project changed")
            reopen_all(paths, say)

        def count(nodes: int) -> None:
            note(paths, run_id, "dbt", nodes=nodes, full=is_full)

        try:
            build_models(orchestration, paths, hear, count, full=is_full)
            passed = True
        finally:
            finish_build(paths, build_id, nodes, passed=passed, seconds=time.perf_counter() - started)
    return nodes


def utc_now() -> datetime:
    return datetime.now(UTC)


def _ingest(summary: RunSummary, steps: Steps, packets: Sequence[PacketRequest]) -> None:
    # Together: each waits for the network, and dbt joins the stations to their observations when all are there.
    for request, outcome in steps.ingest_all(packets):
        if isinstance(outcome, IngestionError):
            summary.failures[request.label] = str(outcome)
        else:
            summary.loads[request.label] = outcome
    if not any(request.label in summary.loads for request in packets if not request.is_reference):
        raise IngestionFailed(summary.failures)

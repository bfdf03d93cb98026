"""GET /warehouse/snapshots, its diff, and POST /warehouse/rollback."""

import logging
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Request, Response
from filelock import Timeout

from api.address import at
from api.auth import require_key
from api.schemas.answers import DIFF, problem, read_responses
from api.schemas.snapshots import Rollback, RolledBack, SnapshotList, SnapshotSummary
from api.warehouse.answer.dependencies import ReadsDep
from api.warehouse.answer.formats import ONLY_JSON, choose_format
from api.warehouse.answer.reads import Reads
from api.warehouse.answer.render import Document
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import NoSnapshot, SnapshotGone, WriterBusy
from api.warehouse.question.diff import compare
from ingestion.paths import DataPaths
from ingestion.writer_lock import writer_lock
from orchestration.errors import SnapshotNotFound
from orchestration.settings import get_settings
from orchestration.shelf.opening import open_shelf
from orchestration.snapshots.snapshots import Manifest, kept_snapshots, roll_back, served_snapshot

router = APIRouter(prefix="/warehouse", tags=["snapshots"])
_log = logging.getLogger(__name__)


@router.get("/snapshots")
async def snapshots(request: Request, reads: ReadsDep, response: Response) -> SnapshotList:
    """Every kept snapshot, newest first. Read from one of them with `?snapshot=id` on any address."""
    response.headers["Cache-Control"] = "no-store"  # `checked_at` changes while the snapshots do not
    return await reads.in_thread(request, lambda: _list(reads.warehouse.paths))


@router.get(
    "/snapshots/{before}/diff/{after}",
    responses=read_responses(DIFF, ONLY_JSON, [404, 410, 422, 503, 504]),
    response_class=Response,
)
async def diff(
    request: Request,
    before: Annotated[str, Path(max_length=80)],
    after: Annotated[str, Path(max_length=80)],
    reads: ReadsDep,
) -> Response:
    """How many rows were added, changed and removed between two kept snapshots, table by table."""

    def work(newer: OpenSnapshot, executor: Executor) -> Document:
        with reads.warehouse.lease(before, field="before") as older:
            tables = compare(older, newer, reads.settings, executor.deadlines)
            return Document({"before": older.facts, "after": newer.facts, "tables": tables})

    chosen = choose_format(request, None, ONLY_JSON)
    return await reads.answer(request, work, chosen, snapshot=after, pinned_by="after")


@router.post(
    "/rollback",
    dependencies=[Depends(require_key)],
    responses=problem(401, "A key is needed")
    | problem(403, "Only this machine may, while no key is configured")
    | problem(410)
    | problem(422)
    | problem(429)
    | problem(503),
)
async def rollback(request: Request, reads: ReadsDep, wanted: Annotated[Rollback | None, Body()] = None) -> RolledBack:
    """Serve an older snapshot again: the one named, or the previous one. The next run publishes a new one."""
    snapshot_id = wanted.snapshot if wanted else None
    return await reads.in_thread(request, lambda: _roll_back(reads, snapshot_id))


def _list(paths: DataPaths) -> SnapshotList:
    kept = kept_snapshots(paths)
    served = served_snapshot(paths)
    served_id = served.id if served else None
    return SnapshotList(served=served_id, data=[_summary(manifest, served_id) for manifest in reversed(kept)])


def _summary(manifest: Manifest, served_id: str | None) -> SnapshotSummary:
    return SnapshotSummary(
        id=manifest.id,
        is_served=manifest.id == served_id,
        previous=manifest.previous,
        published_at=manifest.published_at,
        checked_at=manifest.checked_at,
        run_id=manifest.run_id,
        source=manifest.source,
        departments=manifest.departments,
        newest_observation=manifest.newest_observation,
        row_counts=manifest.row_counts,
        size_bytes=manifest.size_bytes,
        links={
            "latest": at(f"/warehouse/latest?snapshot={manifest.id}"),
            "download": at(f"/warehouse/download?snapshot={manifest.id}"),
            **(
                {"diff": at(f"/warehouse/snapshots/{manifest.previous}/diff/{manifest.id}")}
                if manifest.previous
                else {}
            ),
        },
    )


def _roll_back(reads: Reads, snapshot_id: str | None) -> RolledBack:
    paths = reads.warehouse.paths
    before = served_snapshot(paths)
    if before is None:
        raise NoSnapshot
    try:
        with writer_lock(paths, "a rollback", _log.info, timeout=reads.settings.read_queue_seconds):
            shelf = open_shelf(get_settings(), paths)
            if shelf is not None:  # for all hosts at once
                snapshot_id = shelf.serve(snapshot_id)
                shelf.follow()
            manifest = roll_back(paths, snapshot_id)
        reads.warehouse.refresh()  # so that the caller's next read is already from it
    except Timeout as error:
        raise WriterBusy(reads.settings.read_queue_seconds) from error
    except SnapshotNotFound as error:
        raise SnapshotGone(snapshot_id or "before the one served", "snapshot") from error
    return RolledBack(served=manifest.id, before=before.id, published_at=manifest.published_at)

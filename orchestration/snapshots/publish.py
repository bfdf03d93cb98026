"""Publish the build file: copy it to a new snapshot, then move the pointer. Readers never wait."""

import errno
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from ingestion.closed_months import ClosedFile, closed_files
from ingestion.durable import sync, write_durably
from ingestion.paths import WAREHOUSE_FILE, DataPaths
from ingestion.raw_store import connect
from orchestration.build.build_log import last_build
from orchestration.build.model_docs import describe_models
from orchestration.build.run_dbt import project_digest
from orchestration.errors import NothingToPublish, OrchestrationError, WarehouseShrank
from orchestration.snapshots.archive_views import ARCHIVE_DOCS, archive_of, show_archive
from orchestration.snapshots.closed_files import discard_unused, unite_closed
from orchestration.snapshots.snapshots import (
    DISCARDED,
    MODELS,
    Manifest,
    aim_pointer,
    discard_old,
    move_pointer,
    newest_snapshot,
    served_snapshot,
    write_manifest,
)

_HOURS = "marts.hourly_observations"
_ALLOWED_LOSS = 0.01
_UNFINISHED = ".new-"


def publish_build(
    paths: DataPaths,
    *,
    keep: int,
    run_id: str | None = None,
    force: bool = False,
    before_serving: Callable[[Path, Manifest], None] | None = None,
) -> Manifest:
    """Publish the build file as a new snapshot and serve it; the caller holds the writer's lock.

    Raises NothingToPublish unless every dbt node of the build passed. If killed at any point, the
    previous snapshot stays served; the next call finishes the new one or discards it. `before_serving` is given the
    finished folder; what it raises discards the snapshot.
    """
    sweep(paths)
    facts, closed = _describe(paths)
    served = served_snapshot(paths)
    _refuse_sudden_loss(served, facts["row_counts"], force=force)
    newest = newest_snapshot(paths)
    sequence = newest.sequence + 1 if newest else 1
    now = datetime.now(UTC)
    snapshot_id = f"{sequence:06d}-{now:%Y%m%dT%H%M%SZ}"
    unfinished = paths.snapshots / f"{_UNFINISHED}{snapshot_id}"
    stamp = now.isoformat(timespec="seconds")
    unfinished.mkdir(parents=True)
    try:
        copy_file(paths.build_file, unfinished / WAREHOUSE_FILE)
        if closed:
            unite_closed(unfinished / WAREHOUSE_FILE, paths, closed)
            sync(unfinished / WAREHOUSE_FILE)
        archive = archive_of(paths, facts["source"])
        if archive.in_use():
            show_archive(unfinished / WAREHOUSE_FILE, paths, archive)
            sync(unfinished / WAREHOUSE_FILE)
        _forbid_writing(unfinished / WAREHOUSE_FILE)
        manifest = Manifest(
            id=snapshot_id,
            sequence=sequence,
            previous=served.id if served else None,
            published_at=stamp,
            checked_at=stamp,
            run_id=run_id,
            size_bytes=(unfinished / WAREHOUSE_FILE).stat().st_size,
            closed=[part.file for part in closed],
            archive=archive.parquet_files(),
            **facts,
        )
        models = json.dumps(
            describe_models(paths) | (ARCHIVE_DOCS if archive.in_use() else {}), ensure_ascii=False, indent=1
        )
        write_durably(unfinished / MODELS, models.encode())
        write_manifest(unfinished, manifest)
        if before_serving is not None:
            before_serving(unfinished, manifest)
        # Aim before the rename: if killed right after the rename, the next call can still serve the snapshot.
        aim_pointer(paths, snapshot_id)
    except (OSError, OrchestrationError):
        shutil.rmtree(unfinished, ignore_errors=True)  # free the space again: the disk may be full
        raise
    unfinished.rename(paths.snapshots / snapshot_id)
    sync(paths.snapshots)
    move_pointer(paths)
    discard_old(paths, keep)
    discard_unused(paths)
    return manifest


def _forbid_writing(file: Path) -> None:
    """Let tools open a snapshot to read it only. Many open a file to write unless told otherwise.

    DuckDB's lock would then keep the service out, and the tool could change what is served.
    """
    file.chmod(file.stat().st_mode & ~0o222)


def is_up_to_date(paths: DataPaths) -> bool:
    """Whether the newest snapshot holds every load and the archive, and was built by the current dbt project.

    The manifest alone is not enough: a rebuilt build file numbers its loads from 1 again.
    """
    newest = newest_snapshot(paths)
    with connect(paths.build_file) as connection:
        build = last_build(connection)
    if newest is None or served_snapshot(paths) is None or build is None or not build.passed or not build.is_newest:
        return False
    if newest.archive != archive_of(paths, newest.source).parquet_files():
        return False
    return (
        build.last_load_id == newest.last_load_id and build.project_digest == project_digest() == newest.project_digest
    )


def _refuse_sudden_loss(served: Manifest | None, counts: Mapping[str, int], *, force: bool) -> None:
    """Raise WarehouseShrank where many hours are gone: raw forgets none, so something went wrong before."""
    before = served.row_counts.get(_HOURS, 0) if served is not None else 0
    after = counts.get(_HOURS, 0)
    if not force and after < before * (1 - _ALLOWED_LOSS):
        raise WarehouseShrank(before, after)


def sweep(paths: DataPaths) -> None:
    """Finish a killed publication if only its pointer was missing, and delete other leftovers."""
    move_pointer(paths)
    # A tool that opened the pointer to write and was killed left it. DuckDB would apply it to a later snapshot.
    paths.published.with_name(f"{WAREHOUSE_FILE}.wal").unlink(missing_ok=True)
    for prefix in (_UNFINISHED, DISCARDED):
        for folder in paths.snapshots.glob(f"{prefix}*"):
            shutil.rmtree(folder)


def copy_file(source: Path, target: Path) -> None:
    """Copy durably. The kernel shares the blocks (reflink) where the file system can."""
    with source.open("rb") as reader, target.open("xb") as writer:
        remaining = os.fstat(reader.fileno()).st_size
        try:
            while remaining:
                copied = os.copy_file_range(reader.fileno(), writer.fileno(), remaining)
                if copied == 0:  # some file systems return 0 for "cannot": never publish half a file
                    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))  # noqa: TRY301 - one way out for both
                remaining -= copied
        except (AttributeError, OSError):  # not Linux, or not possible between these file systems
            reader.seek(0)
            writer.seek(0)
            shutil.copyfileobj(reader, writer, 1 << 22)
        writer.flush()
        os.fsync(writer.fileno())


def _describe(paths: DataPaths) -> tuple[dict[str, Any], list[ClosedFile]]:
    """Checkpoint the build file. Return the manifest's facts and the files of closed months."""
    if not paths.build_file.exists():
        raise NothingToPublish(paths.build_file)
    with connect(paths.build_file) as connection:
        build = last_build(connection)
        if build is None or not build.passed or not build.is_newest:
            raise NothingToPublish(paths.build_file)
        connection.execute("checkpoint")
        closed = closed_files(connection)
        facts: dict[str, Any] = {
            "source": _value(connection, "select source from meta.warehouse"),
            "departments": _value(
                connection,
                "select coalesce(list(distinct department_code order by try_cast(department_code as integer)), [])"
                " from marts.stations where observed_hours > 0",
            ),
            "newest_observation": _value(
                connection,
                "select strftime(max(last_observed_at), '%Y-%m-%dT%H:%M:%SZ') from marts.stations",
            ),
            "row_counts": _row_counts(connection, closed),
            "dbt": build.summary,
            "last_load_id": build.last_load_id,
            "project_digest": build.project_digest,
            "duckdb_version": duckdb.__version__,
        }
    return facts, closed


def _row_counts(connection: duckdb.DuckDBPyConnection, closed: Sequence[ClosedFile]) -> dict[str, int]:
    # Count the rows: the estimates in duckdb_tables() still include deleted rows.
    tables = connection.execute(
        "select schema_name || '.' || table_name from duckdb_tables()"
        " where schema_name in ('raw', 'marts', 'meta') order by 1"
    ).fetchall()
    counts = {table: _value(connection, f"select count(*) from {table}") for (table,) in tables}
    for part in closed:
        counts[part.table] += part.rows
    return counts


def _value(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    row = connection.execute(query).fetchone()
    return row[0] if row else None

"""The warehouse as files: the snapshot itself, or one table as Parquet while DuckDB reads it."""

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pyarrow as pa
from fastapi import Request, Response
from fastapi.responses import FileResponse
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send
from werkzeug.http import parse_range_header

from api.warehouse.answer.etags import is_unchanged, not_modified
from api.warehouse.answer.formats import PARQUET
from api.warehouse.answer.reads import Reads, snapshot_headers
from api.warehouse.answer.render import write_columnar
from api.warehouse.problems import BadValue, SnapshotGone
from api.warehouse.question.tables import relation_of
from ingestion.paths import WAREHOUSE_FILE


class SnapshotFile(FileResponse):
    """The file of a snapshot, held open: it may be deleted while it is sent."""

    def __init__(self, descriptor: int, facts: dict[str, str]) -> None:
        self.descriptor = descriptor
        self.snapshot_id = facts["id"]
        super().__init__(
            f"/dev/fd/{descriptor}",
            media_type="application/vnd.duckdb",
            filename=WAREHOUSE_FILE,
            stat_result=os.fstat(descriptor),
            headers={
                **snapshot_headers(facts),
                "ETag": f'"{self.snapshot_id}"',
                "Cache-Control": "public, no-cache",
            },
        )

    def not_modified(self, request: Request) -> Response | None:
        """304 for who has the file already; the file is closed then."""
        if not is_unchanged(request.headers, self.headers["etag"]):
            return None
        os.close(self.descriptor)
        return not_modified({"ETag": self.headers["etag"]})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, or the range asked for, and close it however that ends.

        A range that cannot be read counts as none (RFC 9110, 14.2): the answer is the whole file.
        """
        asked = parse_range_header(Headers(scope=scope).get("range"))
        if asked is None or asked.units != "bytes":
            scope = {**scope, "headers": [(name, value) for name, value in scope["headers"] if name != b"range"]}
        try:
            await super().__call__(scope, receive, send)
        finally:
            os.close(self.descriptor)


def open_file(reads: Reads, snapshot_id: str | None) -> SnapshotFile:
    """Open a snapshot's file for sending."""
    with reads.warehouse.lease(snapshot_id) as snapshot:
        try:
            return SnapshotFile(os.open(snapshot.file, os.O_RDONLY | os.O_CLOEXEC), snapshot.facts)
        except FileNotFoundError as error:  # deleted just now: it was no longer the served one
            raise SnapshotGone(snapshot.id, "snapshot") from error


def stream_table(reads: Reads, table: str, snapshot_id: str | None) -> tuple[Iterator[bytes], dict[str, str]]:
    """Begin to read one table or view; the snapshot is held until its last byte is sent."""
    schema, _, name = table.rpartition(".")
    if not schema:
        raise BadValue("table", f"“{table[:60]}” names no schema", "give schema.table, such as marts.stations")
    held = ExitStack()
    try:
        snapshot = held.enter_context(reads.warehouse.lease(snapshot_id))
        relation = relation_of(snapshot, schema, name)
        batches = held.enter_context(
            reads.executor.batches(snapshot, f"select * from {relation.sql}", seconds=reads.settings.download_seconds)
        )
    except BaseException:
        held.close()
        raise
    headers = snapshot_headers(snapshot.facts) | {
        "Content-Disposition": f'attachment; filename="{schema}.{name}.parquet"',
        "Cache-Control": "no-store",
    }
    return _send(held, batches), headers


def _send(held: ExitStack, batches: pa.RecordBatchReader) -> Iterator[bytes]:
    with held:
        yield from write_columnar(batches, PARQUET)

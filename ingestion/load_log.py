"""`meta.loads`: one row per fetch, what it brought, and what it says about payloads met again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from ingestion.errors import AllRowsRejected
from ingestion.landing import FILE_SCOPE, LandedPayload, landed_payloads
from ingestion.merge import MergeCounts
from ingestion.plausible import HOLD_MINUTES
from ingestion.sources import DATASETS

# How long details that no row needs are kept: all of France is 300,000 packets a year.
DETAILS_KEPT = timedelta(days=90)
# They are deleted a month at a time, because DuckDB rewrites much for each deletion.
FORGOTTEN_AT_ONCE = timedelta(days=30)

NOTHING = MergeCounts(new=0, changed=0, unchanged=0, rejected=0)


@dataclass(frozen=True)
class LoadResult:
    """What one payload brought; the same numbers stand in meta.loads."""

    load_id: int
    rows_seen: int
    counts: MergeCounts
    seconds: float
    extra_columns: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()  # what a person should hear

    @property
    def brought_news(self) -> bool:
        """Whether raw holds anything it did not hold before."""
        return self.counts.new + self.counts.changed + self.counts.left > 0

    def __str__(self) -> str:
        """Describe the load in one line for logs and terminals."""
        extra = f"; unknown columns kept in `extra`: {', '.join(self.extra_columns)}" if self.extra_columns else ""
        return (
            f"{self.rows_seen:,} rows seen: {self.counts.new:,} new, {self.counts.changed:,} changed, "
            f"{self.counts.unchanged:,} unchanged, {self.counts.rejected:,} rejected "
            f"({self.seconds:.2f} s){extra}" + "".join(f"; {remark}" for remark in self.remarks)
        )


@dataclass(frozen=True)
class LastLoad:
    """The newest payload loaded for one request: met again, it brings nothing."""

    payload: str
    digest: str
    rows_kept: int
    rows_rejected: int
    api_version: str | None


def next_load_id(connection: duckdb.DuckDBPyConnection) -> int:
    """Give the number of the load that begins; the writer's lock keeps it unique."""
    row = connection.execute("select coalesce(max(load_id), 0) + 1 from meta.loads").fetchone()
    return int(row[0]) if row else 1


def record_load(
    connection: duckdb.DuckDBPyConnection,
    load_id: int,
    landed: LandedPayload,
    source: str,
    run_id: str | None,
    **outcome: Any,
) -> None:
    """Write one row of meta.loads; `outcome` has its remaining columns."""
    is_by_department = DATASETS[landed.dataset].is_by_department
    values: Mapping[str, Any] = {
        "load_id": load_id,
        "run_id": run_id,
        "source": source,
        "dataset": landed.dataset,
        "scope": landed.scope,
        "department_code": landed.scope if is_by_department and landed.scope != FILE_SCOPE else None,
        "payload": name_of(landed),
        "payload_digest": landed.digest,
        "payload_bytes": landed.path.stat().st_size,
        "fetched_at": landed.fetched_at,
        "loaded_at": datetime.now(UTC),
        **outcome,
    }
    connection.execute(
        f"insert into meta.loads ({', '.join(values)}) values ({', '.join(f'${name}' for name in values)})",
        dict(values),
    )


def refuse_total_loss(connection: duckdb.DuckDBPyConnection, result: LoadResult) -> LoadResult:
    """Return the result, or raise AllRowsRejected when the payload lost every row."""
    if result.rows_seen == 0 or result.counts.rejected < result.rows_seen:
        return result
    row = connection.execute(
        "select mode(reason) from meta.rejected_rows where load_id = ?", [result.load_id]
    ).fetchone()
    raise AllRowsRejected(result.rows_seen, row[0] if row else "")


def counts_as_columns(rows_seen: int, counts: MergeCounts) -> dict[str, int]:
    """Name the counts as the columns of meta.loads."""
    return {
        "rows_seen": rows_seen,
        "rows_new": counts.new,
        "rows_changed": counts.changed,
        "rows_unchanged": counts.unchanged,
        "rows_rejected": counts.rejected,
        "rows_left": counts.left,
    }


def last_load(connection: duckdb.DuckDBPyConnection, dataset: str, scope: str) -> LastLoad | None:
    """Find the newest payload loaded for one request.

    None if a file loaded by hand may have changed its rows. None too if another payload was held since: landed again,
    it tells a rebuild as well that what was held did not come twice in a row.
    """
    row = connection.execute(
        "select payload, payload_digest, rows_seen - rows_rejected, rows_rejected, api_version from meta.loads"
        " where dataset = $dataset and scope = $scope and status = 'loaded'"
        " and load_id > (select coalesce(max(load_id), 0) from meta.loads"
        "  where scope = $file or (dataset = $dataset and scope = $scope and status = 'held'))"
        " order by load_id desc limit 1",
        {"dataset": dataset, "scope": scope, "file": FILE_SCOPE},
    ).fetchone()
    return LastLoad(*row) if row else None


def held_before(connection: duckdb.DuckDBPyConnection, landed: LandedPayload) -> LandedPayload | None:
    """Find the newest payload of the same request held long enough ago, if none was loaded since."""
    row = connection.execute(
        "select payload from meta.loads where dataset = $dataset and scope = $scope and status = 'held'"
        " and fetched_at <= $until and load_id > (select coalesce(max(load_id), 0) from meta.loads"
        " where dataset = $dataset and scope = $scope and status in ('loaded', 'unchanged'))"
        " order by load_id desc limit 1",
        {
            "dataset": landed.dataset,
            "scope": landed.scope,
            "until": landed.fetched_at - timedelta(minutes=HOLD_MINUTES),
        },
    ).fetchone()
    held = LandedPayload.from_path(landed.path.parents[1] / row[0]) if row else None
    return held if held is not None and held.path.exists() else None


def forget_unchanged(connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
    """Delete the rows about old fetches that brought nothing: no row of raw refers to them.

    The newest of each département stays: it says when the département was last asked.
    """
    until = now - DETAILS_KEPT
    old = "status = 'unchanged' and fetched_at < ? and load_id not in"
    newest = "(select max(load_id) from meta.loads group by dataset, department_code)"
    worth_it = f"select true from meta.loads where {old} {newest} limit 1"
    if connection.execute(worth_it, [until - FORGOTTEN_AT_ONCE]).fetchone():
        connection.execute(f"delete from meta.loads where {old} {newest}", [until])


def landed_before(
    connection: duckdb.DuckDBPyConnection, folder: Path, landed: LandedPayload, load_id: int
) -> str | None:
    """Name an earlier payload of the same bytes that was loaded and is still in the landing zone.

    Of a list only the one before counts: what a list leaves out is told by the newest one, and a list between two
    held ones keeps a rebuild from believing them.
    """
    is_list = DATASETS[landed.dataset].table.is_whole_list
    found = connection.execute(
        "select payload from meta.loads where payload_digest = $digest and dataset = $dataset and status = 'loaded'"
        " and load_id < $load_id and payload <> $payload and (not $is_list or load_id ="
        " (select max(load_id) from meta.loads"
        "  where dataset = $dataset and status in ('loaded', 'held') and load_id < $load_id))",
        {
            "digest": landed.digest,
            "dataset": landed.dataset,
            "load_id": load_id,
            "payload": name_of(landed),
            "is_list": is_list,
        },
    ).fetchall()
    return next((payload for (payload,) in found if (folder / payload).exists()), None)


def unloaded(connection: duckdb.DuckDBPyConnection, folder: Path) -> list[LandedPayload]:
    """Find payloads that a killed run landed and never loaded, oldest first.

    Failed loads are not among them: they stand in meta.loads with their reason.
    """
    newest = connection.execute("select max(fetched_at)::date - 1 from meta.loads").fetchone()
    since = newest[0] if newest else None
    seen = connection.execute(
        "select payload from meta.loads where fetched_at >= coalesce(?::date - 1, '-infinity'::timestamptz)",
        [since],
    ).fetchall()
    known = {payload for (payload,) in seen}
    return [landed for landed in landed_payloads(folder, since) if name_of(landed) not in known]


def name_of(landed: LandedPayload) -> str:
    """Name a payload relative to its source's landing zone."""
    return f"{landed.path.parent.name}/{landed.path.name}"

"""Load one landed payload into raw, all of it or nothing, and write down what became of it."""

import time
from contextlib import suppress
from dataclasses import replace

import duckdb

from ingestion.closed_months import reopen_touched
from ingestion.errors import CorrectionHeld, IngestionError
from ingestion.landing import FILE_SCOPE, LandedPayload
from ingestion.load_log import NOTHING, LastLoad, LoadResult, counts_as_columns, held_before, next_load_id, record_load
from ingestion.merge import merge_rows
from ingestion.source import Packet
from ingestion.sources import DATASETS


def load_payload(
    connection: duckdb.DuckDBPyConnection, landed: LandedPayload, *, source: str, run_id: str | None = None
) -> LoadResult:
    """Load one payload in one transaction.

    A payload that cannot be loaded raises IngestionError; raw stays exactly as it was and meta.loads
    keeps the failure with its reason.
    """
    started = time.perf_counter()
    load_id = next_load_id(connection)
    connection.begin()
    try:
        # Who gives a packet by hand has looked at it. A list by hand may be a part of the whole.
        is_confirmed = landed.scope == FILE_SCOPE and not DATASETS[landed.dataset].table.is_whole_list
        result, packet = _merge(connection, landed, load_id, started, is_confirmed=is_confirmed)
        record_load(
            connection,
            load_id,
            landed,
            source,
            run_id,
            status="loaded",
            seconds=result.seconds,
            api_version=packet.api_version,
            extra_columns=list(packet.extra_columns),
            **counts_as_columns(result.rows_seen, result.counts),
        )
        connection.commit()
    except IngestionError as error:
        connection.rollback()
        seconds = time.perf_counter() - started
        status = "held" if isinstance(error, CorrectionHeld) else "failed"
        record_load(connection, load_id, landed, source, run_id, status=status, seconds=seconds, error=str(error))
        raise
    except BaseException:
        with suppress(duckdb.Error):  # a database that failed to write is closed already; its error is the one to tell
            connection.rollback()
        raise
    return result


def record_unchanged(
    connection: duckdb.DuckDBPyConnection,
    landed: LandedPayload,
    last: LastLoad,
    *,
    source: str,
    run_id: str | None = None,
) -> LoadResult:
    """Write down that the payload loaded last was fetched again: nothing is parsed, nothing changes."""
    counts = replace(NOTHING, unchanged=last.rows_kept, rejected=last.rows_rejected)
    result = LoadResult(next_load_id(connection), last.rows_kept + last.rows_rejected, counts, seconds=0.0)
    record_load(
        connection,
        result.load_id,
        landed,
        source,
        run_id,
        status="unchanged",
        seconds=result.seconds,
        api_version=last.api_version,
        **counts_as_columns(result.rows_seen, result.counts),
    )
    return result


def _merge(
    connection: duckdb.DuckDBPyConnection, landed: LandedPayload, load_id: int, started: float, *, is_confirmed: bool
) -> tuple[LoadResult, Packet]:
    dataset = DATASETS[landed.dataset]
    packet = dataset.parse(landed.read(), landed.format)
    reopen_touched(connection, dataset.table, packet.rows)
    is_of_scope = dataset.is_of_scope(landed.scope) if dataset.is_of_scope and landed.scope != FILE_SCOPE else None
    held = None if is_confirmed else held_before(connection, landed)
    merged = merge_rows(
        connection,
        dataset.table,
        packet,
        load_id,
        landed.fetched_at,
        is_of_scope=is_of_scope,
        is_confirmed=is_confirmed,
        held=dataset.parse(held.read(), held.format).rows if held else None,
    )
    counts = merged.counts
    if packet.malformed:
        connection.executemany(
            "insert into meta.rejected_rows values (?, ?, ?, ?)",
            [[load_id, row.position, row.reason, row.text] for row in packet.malformed],
        )
        counts = replace(counts, rejected=counts.rejected + len(packet.malformed))
    seconds = time.perf_counter() - started
    remarks = (packet.note, *merged.remarks) if packet.note else merged.remarks
    return LoadResult(load_id, packet.rows_seen, counts, seconds, packet.extra_columns, remarks), packet

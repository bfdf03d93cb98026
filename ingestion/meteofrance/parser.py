"""From a payload's bytes to a packet: all text, all of upstream's columns, nothing lost in silence."""

import json
import logging
from collections.abc import Collection, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from ingestion.errors import HeaderChanged, PayloadNotRecognized, PayloadTruncated
from ingestion.meteofrance import schema
from ingestion.meteofrance.csv_rows import read_csv_rows
from ingestion.meteofrance.encoding import decode_start
from ingestion.meteofrance.json_rows import read_json_rows
from ingestion.meteofrance.packets import TextRows
from ingestion.meteofrance.schema import ApiVersion
from ingestion.source import EXTRA, Packet, PayloadFormat

logger = logging.getLogger(__name__)


def parse_observations(body: bytes, format: PayloadFormat) -> Packet:
    """Read a packet of hourly observations of either version; a PayloadError says why it cannot be."""
    if format == "csv":
        rows = read_csv_rows(body, schema.OBSERVATION_COLUMNS, schema.ESSENTIAL_COLUMNS)
    else:
        rows = read_json_rows(body, schema.OBSERVATION_COLUMNS)
    _refuse_without_good_row(rows, body)
    names = rows.table.column_names
    extra = _others(names, schema.OBSERVATION_COLUMNS)
    missing = (*_others(schema.ESSENTIAL_COLUMNS, names), *_missing_gust(names))
    if names and missing:
        raise HeaderChanged(missing, extra)
    version = _version(names)
    declared = schema.V1_COLUMNS if version == "v1" else schema.V2_COLUMNS
    absent = _others(declared, names) if names else ()
    if extra or absent:
        logger.warning("packet of %s: unknown columns %s, absent columns %s", version, extra, absent)
    table = _arranged(rows.table, schema.OBSERVATION_COLUMNS)
    return Packet(
        rows=table.append_column(EXTRA, _extra_values(rows.table, extra)),
        api_version=version,
        present_columns=tuple(name for name in schema.OBSERVATION_COLUMNS if name in names),
        extra_columns=extra,
        malformed=rows.malformed,
        rows_seen=rows.seen,
        note=rows.note,
    )


def parse_stations(body: bytes, format: PayloadFormat = "csv") -> Packet:  # noqa: ARG001 - CSV whatever is asked
    """Read the list of stations; a PayloadError says why it cannot be."""
    rows = read_csv_rows(body, schema.STATION_COLUMNS, schema.STATION_COLUMNS)
    _refuse_without_good_row(rows, body)
    if rows.seen == 0:
        raise PayloadTruncated("it lists no station")
    names = rows.table.column_names
    extra = _others(names, schema.STATION_COLUMNS)
    if missing := _others(schema.ESSENTIAL_STATION_COLUMNS, names):
        raise HeaderChanged(missing, extra)
    table = _arranged(rows.table, schema.STATION_COLUMNS)
    ids = pc.utf8_trim_whitespace(table[schema.LISTED_STATION_ID])
    table = table.set_column(0, schema.LISTED_STATION_ID, ids)
    present = tuple(name for name in schema.STATION_COLUMNS if name in names)
    return Packet(table, present, rows.seen, rows.malformed, extra, note=rows.note)


def _refuse_without_good_row(rows: TextRows, body: bytes) -> None:
    """Rows that are all malformed are another format, not bad luck."""
    if rows.malformed and rows.table.num_rows == 0:
        why = f"none of its {rows.seen} rows can be read, the first: {rows.malformed[0].reason}"
        raise PayloadNotRecognized(why, decode_start(body[:200]))


def _missing_gust(names: Collection[str]) -> tuple[str, ...]:
    """Columns missing from the gust pair that is nearest to complete; v2's when there is neither."""
    return min(_others(schema.GUST_COLUMNS["v2"], names), _others(schema.GUST_COLUMNS["v1"], names), key=len)


def _version(names: Collection[str]) -> ApiVersion:
    has_only_v1 = set(schema.GUST_COLUMNS["v1"]) <= set(names) and not set(schema.GUST_COLUMNS["v2"]) <= set(names)
    return "v1" if has_only_v1 else "v2"


def _others(names: Collection[str], without: Collection[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in without)


def _arranged(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    absent = pa.nulls(table.num_rows, pa.string())
    present = set(table.column_names)
    return pa.table([table[name] if name in present else absent for name in columns], names=list(columns))


def _extra_values(table: pa.Table, extra: Sequence[str]) -> pa.Array:
    """One JSON object per row of the unknown columns' values, NULL where none has one."""
    if not extra:
        return pa.nulls(table.num_rows, pa.string())
    objects = (
        {name: value for name, value in row.items() if value is not None}
        for row in table.select(list(extra)).to_pylist()
    )
    return pa.array([json.dumps(o, ensure_ascii=False) if o else None for o in objects], pa.string())

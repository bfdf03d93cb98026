"""What each fault of an answer's body does to it: one small function a kind, in two tables."""

import gzip
from collections.abc import Callable
from datetime import datetime, timedelta

from ingestion.demo.faults import Fault, FaultKind
from ingestion.demo.packet import PacketFormat
from ingestion.demo.rows import Cell, PacketRows, join_packet, split_packet

ENDLESS_BYTES = 200_000_000

HTML_PAGE = "<!DOCTYPE html><html><head><title>Maintenance</title></head><body>Service en maintenance</body></html>"


def corrupt(text: str, packet_format: PacketFormat, fault: Fault) -> bytes:
    """Spoil a packet as the fault's kind says."""
    if fault.kind in TEXT_FAULTS:
        return TEXT_FAULTS[fault.kind](text, packet_format)
    packet = split_packet(text, packet_format)
    if packet.rows:
        ROW_FAULTS[fault.kind](packet, fault.column)
    return join_packet(packet, packet_format).encode()


def _truncate(text: str, packet_format: PacketFormat) -> bytes:
    """Cut in the middle of the last row."""
    row_start = text.rstrip("\n").rfind("\n" if packet_format == "csv" else '{"lat"') + 1
    return text[: (row_start + len(text)) // 2].encode()


def _header_only(text: str, packet_format: PacketFormat) -> bytes:
    return join_packet(PacketRows(split_packet(text, packet_format).columns, []), packet_format).encode()


def _cut_gzip(text: str, _format: PacketFormat) -> bytes:
    compressed = gzip.compress(text.encode(), mtime=0)
    return compressed[: len(compressed) * 2 // 3]


def _never_end(text: str, _format: PacketFormat) -> bytes:
    body = text.encode()
    return (body * (ENDLESS_BYTES // max(1, len(body)) + 1))[:ENDLESS_BYTES]


def _drop_column(packet: PacketRows, column: str | None) -> None:
    position = packet.position(column or "validity_time")
    for row in packet.lines:
        del row[position]


def _add_column(packet: PacketRows, column: str | None) -> None:
    packet.columns.append(column or "qualite")
    for row in packet.rows:
        row.append("1")


def _reverse_columns(packet: PacketRows, _column: str | None = None) -> None:
    for row in packet.lines:
        row.reverse()


def _rename_gusts(packet: PacketRows, _column: str | None = None) -> None:
    old_names = {"ddraf": "dxi", "raf": "fxi"}
    packet.columns[:] = [old_names.get(str(name), name) for name in packet.columns]


def _repeat_first_row(packet: PacketRows, _column: str | None = None) -> None:
    packet.rows.insert(1, list(packet.rows[0]))


def _contradict_first_row(packet: PacketRows, column: str | None) -> None:
    position = packet.position(column or "t")
    first = packet.rows[0][position]
    other: Cell = 280.15 if first in (None, "") else round(float(first or 0) + 1.5, 2)
    _repeat_first_row(packet)
    packet.rows[1][position] = str(other) if isinstance(first, str) else other


def _move_first_row_to_the_future(packet: PacketRows, _column: str | None = None) -> None:
    position = packet.position("validity_time")
    hour = datetime.fromisoformat(str(packet.rows[0][position])) + timedelta(days=2)
    packet.rows[0][position] = hour.strftime("%Y-%m-%dT%H:%M:%SZ")


def _write_in_first_row(value: str) -> "RowFault":
    def write(packet: PacketRows, column: str | None) -> None:
        packet.rows[0][packet.position(column or "t")] = value

    return write


def _shorten_middle_row(packet: PacketRows, _column: str | None = None) -> None:
    del packet.rows[len(packet.rows) // 2][-3:]


def _lengthen_middle_row(packet: PacketRows, _column: str | None = None) -> None:
    packet.rows[len(packet.rows) // 2] += ["0.0", "0.0"]


def _spoil_station_id(packet: PacketRows, _column: str | None = None) -> None:
    position = packet.position("geo_id_insee")
    packet.rows[0][position] = str(packet.rows[0][position])[:5] + "?"


RowFault = Callable[[PacketRows, str | None], None]

TEXT_FAULTS: dict[FaultKind, Callable[[str, PacketFormat], bytes]] = {
    FaultKind.TRUNCATED_BODY: _truncate,
    FaultKind.EMPTY_BODY: lambda *_: b"",
    FaultKind.HTML_PAGE: lambda *_: HTML_PAGE.encode(),
    FaultKind.HEADER_ONLY: _header_only,
    FaultKind.WRONG_DELIMITER: lambda text, _: text.replace(";", ",").encode(),
    FaultKind.CUT_GZIP: _cut_gzip,
    FaultKind.ENDLESS_BODY: _never_end,
}
ROW_FAULTS: dict[FaultKind, RowFault] = {
    FaultKind.MISSING_COLUMN: _drop_column,
    FaultKind.EXTRA_COLUMN: _add_column,
    FaultKind.REORDERED_COLUMNS: _reverse_columns,
    FaultKind.V1_COLUMNS: _rename_gusts,
    FaultKind.IDENTICAL_ROWS: _repeat_first_row,
    FaultKind.CONFLICTING_ROWS: _contradict_first_row,
    FaultKind.FUTURE_HOUR: _move_first_row_to_the_future,
    FaultKind.NAN_VALUE: _write_in_first_row("NaN"),
    FaultKind.COMMA_VALUE: _write_in_first_row("12,5"),
    FaultKind.HUGE_VALUE: _write_in_first_row("1e308"),
    FaultKind.TEXT_VALUE: _write_in_first_row("abc"),
    FaultKind.NUL_VALUE: _write_in_first_row("28\x001.2"),
    FaultKind.SHORT_ROW: _shorten_middle_row,
    FaultKind.LONG_ROW: _lengthen_middle_row,
    FaultKind.BAD_STATION_ID: _spoil_station_id,
}

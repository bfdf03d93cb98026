"""Reading upstream's CSV: `;` separated, one line per row, nothing ever quoted so far."""

import csv
import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from ingestion.departments import Department
from ingestion.errors import HeaderChanged, PayloadNotRecognized, PayloadTruncated
from ingestion.meteofrance.encoding import decode
from ingestion.meteofrance.packets import TextRows
from ingestion.meteofrance.schema import STATION_ID, VALIDITY_TIME, instants_of
from ingestion.source import MalformedRow, malformed_row

_MINUTE = len("2026-11-20T05:00")
_LINE_END = re.compile(r"\r\n|\n|\r")
_OTHER_DELIMITERS = {",": "commas", "\t": "tabs", "|": "bars"}


def read_csv_rows(body: bytes, known: Collection[str], expected: Collection[str]) -> TextRows:
    """Read every row as text.

    `known` are column names that tell a header from anything else; a lone line without one of the `expected`
    is a header that was cut.
    """
    decoded, note = decode(body)
    text = _without_blank_end(decoded.lstrip(" \t\r\n"))
    end = _LINE_END.search(text)
    first, rest = (text[: end.start()], text[end.end() :]) if end else (text, "")
    header = _header(first, text, known)
    if first == text and not set(expected) <= set(header):
        raise PayloadTruncated(f"it has one line, and that ends with {header[-1]}")
    _refuse_repeated(header)
    if '"' in rest or "\0" in rest:
        rows, is_cut = _read_line_by_line(rest, header)
    else:
        rows, is_cut = _read_at_once(rest, header)
    if is_cut:
        raise PayloadTruncated(f"row {rows.seen} of {rows.seen} breaks off: {rows.malformed[-1].text[-40:]}")
    return replace(rows, note=note)


def keep_rows(
    body: bytes,
    departments: Sequence[Department] = (),
    hours: Sequence[datetime] = (),
    stations: Sequence[str] = (),
) -> bytes:
    """Keep a packet's header and the rows of some départements, hours and stations; none given: of all.

    What is no such packet stays as it is, and so does a row that is broken: reading it says what is wrong.
    """
    header, _, rest = body.partition(b"\n")
    names = header.decode("utf-8", "replace").strip().split(";")
    if not (departments or hours or stations) or not {STATION_ID, VALIDITY_TIME} <= set(names):
        return body
    station, time = names.index(STATION_ID), names.index(VALIDITY_TIME)
    wanted = {station.encode() for station in stations}
    prefixes = tuple(department.station_prefix.encode() for department in departments)
    times = {f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M}".encode() for hour in hours for instant in instants_of(hour)}

    def is_kept(line: bytes) -> bool:
        cells = line.split(b";")
        if len(cells) <= max(station, time):
            return True
        is_here = (not prefixes or cells[station].startswith(prefixes)) and (not wanted or cells[station] in wanted)
        return is_here and (not times or cells[time][:_MINUTE] in times)

    return b"".join([header, b"\n", *filter(is_kept, rest.splitlines(keepends=True))])


def joined(bodies: Sequence[bytes]) -> bytes:
    """Write several packets with one header as one packet; raises PayloadNotRecognized."""
    header = bodies[0].partition(b"\n")[0].rstrip()
    for body in bodies[1:]:
        if (other := body.partition(b"\n")[0].rstrip()) != header:
            raise PayloadNotRecognized("packets of one hour have different headers", decode(other)[0])
    rows = (line for body in bodies for line in body.partition(b"\n")[2].splitlines() if line.strip())
    return b"".join(line + b"\n" for line in (header, *rows))


def _without_blank_end(text: str) -> str:
    """Drop the blank lines after the last row, not the blanks of its last field."""
    filled = len(text.rstrip(" \t\r\n"))
    end = _LINE_END.search(text, filled)
    return text[: end.start()] if end else text


def _header(line: str, text: str, known: Collection[str]) -> list[str]:
    """Column names; a name that is empty, as after a trailing `;`, gets its place as a name."""
    if not text:
        raise PayloadTruncated("it is empty, without even a header")
    header = [name.strip().strip('"') or f"column_{at}" for at, name in enumerate(line.split(";"), 1)]
    if not set(header) & set(known):
        for sign, name in _OTHER_DELIMITERS.items():
            if set(line.split(sign)) & set(known):
                raise PayloadNotRecognized(f"its columns are separated by {name}, not by `;`", text)
        raise PayloadNotRecognized("its first line is no header of Météo-France's CSV", text)
    return header


def _refuse_repeated(header: list[str]) -> None:
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise HeaderChanged((), tuple(f"{name} (twice)" for name in twice))


def _read_at_once(rest: str, header: list[str]) -> tuple[TextRows, bool]:
    """Read by pyarrow, quotes off: it would let one stray quote swallow the rest of the packet."""
    malformed: list[MalformedRow] = []
    shortfalls: list[bool] = []

    def keep_aside(row: pyarrow.csv.InvalidRow) -> str:
        malformed.append(malformed_row(row.number, _wrong_count(row.actual_columns, len(header)), row.text))
        shortfalls.append(row.actual_columns < len(header))
        return "skip"

    if not rest.strip("\r\n"):
        return TextRows(_table({name: [] for name in header}), ()), False
    data = rest.encode()
    table = pyarrow.csv.read_csv(
        pa.BufferReader(data),
        # One thread and one block: row numbers are known, and no row can straddle two blocks.
        read_options=pyarrow.csv.ReadOptions(column_names=header, use_threads=False, block_size=len(data) + 1),
        parse_options=pyarrow.csv.ParseOptions(delimiter=";", quote_char=False, invalid_row_handler=keep_aside),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=True, null_values=[""]
        ),
    )
    rows = TextRows(table, tuple(malformed))
    return rows, bool(malformed) and malformed[-1].position == rows.seen and shortfalls[-1]


def _read_line_by_line(rest: str, header: list[str]) -> tuple[TextRows, bool]:
    """Read each line by itself, so that a stray quote or a NUL costs its own row only."""
    good: list[list[str]] = []
    malformed: list[MalformedRow] = []
    is_cut = False
    for position, line in enumerate(filter(None, _LINE_END.split(rest)), 1):
        fields, reason = _split(line)
        is_cut = reason == _OPEN_QUOTE or (not reason and len(fields) < len(header))
        if not reason and len(fields) != len(header):
            reason = _wrong_count(len(fields), len(header))
        if reason:
            malformed.append(malformed_row(position, reason, line))
        else:
            good.append(fields)
    columns = zip(*good, strict=True) if good else ([] for _ in header)
    return TextRows(_table(dict(zip(header, map(list, columns), strict=True))), tuple(malformed)), is_cut


_OPEN_QUOTE = "a quote is opened and never closed"


def _split(line: str) -> tuple[list[str], str]:
    """Fields of one line, and what is wrong with it, if anything."""
    if "\0" in line:
        return [], "holds a NUL byte"
    if '"' not in line:
        return line.split(";"), ""
    try:
        return next(csv.reader([line], delimiter=";", strict=True)), ""
    except csv.Error as error:
        return [], _OPEN_QUOTE if "unexpected end" in str(error) else f"is quoted wrongly: {error}"


def _wrong_count(found: int, expected: int) -> str:
    return f"{found} fields where the header has {expected}"


def _table(columns: dict[str, list[str]]) -> pa.Table:
    arrays = (pa.array(values, pa.string()) for values in columns.values())
    return pa.table([pc.if_else(pc.equal(a, ""), None, a) for a in arrays], names=list(columns))

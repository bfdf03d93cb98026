"""One CSV file of the open archive before it is read: its digest, header and rows, and what its name tells."""

import gzip
import hashlib
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from ingestion.archive.ledger import Dataset
from ingestion.errors import ArchiveFileRefused, FileUnreadable, printable
from ingestion.meteofrance.recognise import recognise
from ingestion.raw_store import literal

MEMORY = "400MB"

_CHUNK = 1 << 20
_SAMPLE = 26  # lines of each chunk: an hourly file's rows of more than one day, as some posts report once a day
_NEEDED: dict[Dataset, tuple[str, ...]] = {
    "days": ("NUM_POSTE", "AAAAMMJJ", "RR", "TN", "TX"),
    "other_days": ("NUM_POSTE", "AAAAMMJJ", "INST", "UM"),
    "hours": ("NUM_POSTE", "AAAAMMJJHH", "RR1", "T"),
}
_WHAT: dict[Dataset, str] = {
    "days": "official days",
    "other_days": "official days of sunshine, snow and others",
    "hours": "hours",
}


@dataclass(frozen=True)
class Received:
    """What a file is before its rows are read; the digest is that of its text, compressed or not."""

    file: Path
    digest: str
    bytes: int
    header: tuple[str, ...]
    rows: int
    filled: frozenset[str] = frozenset()  # columns in which a sample of the lines has values
    is_in_order: bool = True  # whether the sample is sorted by post and time

    @property
    def header_digest(self) -> str:
        return hashlib.sha256(";".join(self.header).encode()).hexdigest()[:16]

    @property
    def dataset(self) -> Dataset:
        if "AAAAMMJJHH" in self.header:
            return "hours"
        return "other_days" if {"AAAAMMJJ", "INST"} <= set(self.header) else "days"

    @property
    def compression(self) -> str:
        """As DuckDB names it."""
        return "gzip" if _is_gzip(self.file) else "none"

    def order_by(self, time: str) -> str:
        """The order to write the rows in: none where they seem to have it, as sorting costs a third more."""
        return "" if self.is_in_order else f"order by station_id, {time}"


@dataclass(frozen=True)
class Written:
    """What a file's rows are, once they are written."""

    department: str
    rows: int
    posts: int
    first_day: date
    last_day: date
    unknown_columns: tuple[str, ...] = ()  # that this version of Girouette does not know: kept as text


def receive(file: Path, dataset: Dataset | None = None) -> Received:
    """Read a file once to its end. Raises ArchiveFileRefused when it is cut, or is not of the data set wanted."""
    digest, lines, last, names, start = hashlib.sha256(), 0, b"", tuple[str, ...](), b""
    filled: set[int] = set()
    key: tuple[int, ...] = ()
    before: tuple[bytes, ...] = ()
    is_in_order = True
    try:
        with gzip.open(file) if _is_gzip(file) else file.open("rb") as text:
            while chunk := text.read(_CHUNK):
                digest.update(chunk)
                lines += chunk.count(b"\n")
                if not names:
                    start, names = chunk, _header(chunk)
                    key = tuple(names.index(name) for name in ("NUM_POSTE", "AAAAMMJJ", "AAAAMMJJHH") if name in names)
                # The first piece is the header, or the rest of a line of the chunk before.
                for line in chunk.split(b"\n", _SAMPLE + 1)[1 : _SAMPLE + 1]:
                    cells = line.rstrip(b"\r").split(b";")
                    filled.update(number for number, cell in enumerate(cells) if cell)
                    if len(cells) == len(names):  # else the chunk ends within the line
                        found = tuple(cells[number].strip().zfill(8) for number in key)
                        before, is_in_order = found, is_in_order and before <= found
                last = chunk[-1:]
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ArchiveFileRefused(file.name, f"it is cut or damaged ({error})") from error
    except OSError as error:
        raise FileUnreadable(file, error.strerror or str(error)) from error
    seen = frozenset(name for number, name in enumerate(names) if number in filled)
    received = Received(file, digest.hexdigest()[:16], file.stat().st_size, names, lines - 1, seen, is_in_order)
    _refuse_other_files(received, dataset or received.dataset, start)
    if last != b"\n":
        raise ArchiveFileRefused(file.name, "it is cut: its last line has no end")
    return received


def _is_gzip(file: Path) -> bool:
    try:
        with file.open("rb") as raw:
            return raw.read(2) == b"\x1f\x8b"
    except OSError as error:
        raise FileUnreadable(file, error.strerror or str(error)) from error


def _header(start: bytes) -> tuple[str, ...]:
    line = start.lstrip(b"\xef\xbb\xbf").split(b"\n", 1)[0].decode("utf-8", "replace").rstrip("\r")
    return tuple(name.strip() or f"column_{number}" for number, name in enumerate(line.split(";"), 1))


def _refuse_other_files(received: Received, dataset: Dataset, start: bytes) -> None:
    if missing := [name for name in _NEEDED[dataset] if name not in received.header]:
        raise ArchiveFileRefused(
            received.file.name,
            f"it is {recognise(start).name}, no file of {_WHAT[dataset]}: it has no column {', '.join(missing)}, "
            f"it starts with “{printable(';'.join(received.header), 60)}”",
        )
    if len({name.lower() for name in received.header}) != len(received.header):  # DuckDB takes them for the same
        raise ArchiveFileRefused(received.file.name, "two of its columns have the same name")


def copy_rows(connection: duckdb.DuckDBPyConnection, rows: str, target: Path, row_group: int) -> None:
    """Write a query's rows as Parquet."""
    connection.execute(
        f"copy ({rows}) to {literal(target)} (format parquet, compression zstd, row_group_size {row_group})"
    )


def find_pair(connection: duckdb.DuckDBPyConnection, file: Path, time: str, comparison: str) -> tuple[str, Any] | None:
    """Find a row whose key, the station and `time`, compares so with that of the row before."""
    # A window without an order sees the rows as they stand, and holds nothing in memory.
    found: tuple[str, Any] | None = connection.execute(
        f"""
        select station_id, {time}
        from (
            select
                station_id, {time},
                lag(station_id) over () as station_before, lag({time}) over () as time_before
            from read_parquet({literal(file)})
        ) as pairs
        where station_before is not null and (station_id, {time}) {comparison} (station_before, time_before)
        limit 1
        """
    ).fetchone()
    return found


def sort_file(connection: duckdb.DuckDBPyConnection, file: Path, time: str, row_group: int) -> None:
    """Sort a file by station and time, where the sample of its lines did not show that it needs it."""
    if find_pair(connection, file, time, "<"):
        unsorted = file.with_name(f"{file.name}.unsorted")
        file.replace(unsorted)
        try:
            copy_rows(
                connection, f"from read_parquet({literal(unsorted)}) order by station_id, {time}", file, row_group
            )
        finally:
            unsorted.unlink()


def refuse_impossible(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    file: Path,
    time: str,
    bounds: Mapping[str, tuple[float, float]],
) -> None:
    """Refuse a file with a value that is no weather: it is in another unit, or its columns are shifted."""
    outside = " or ".join(
        f"({column} not between {low} and {high} and Q{column} is distinct from 2)"
        for column, (low, high) in bounds.items()
    )
    found = connection.execute(
        f"select station_id, {time}, {', '.join(bounds)} from read_parquet({literal(file)}) where {outside} limit 1"
    ).fetchone()
    if found:
        values = zip(bounds.items(), found[2:], strict=True)
        shown = [
            f"{column} {value:g}"
            for (column, (low, high)), value in values
            if value is not None and not low <= value <= high
        ]
        raise ArchiveFileRefused(name, f"station {found[0]} has {', '.join(shown)} on {found[1]}, which cannot be")


def department_sql(station_id: str) -> str:
    """The département of a station as upstream numbers it (weather_dbt/macros/department_of.sql)."""
    return (
        f"case when left({station_id}, 2) in ('97', '98') then left({station_id}, 3)"
        f" else ltrim(left({station_id}, 2), '0') end"
    )


_LABELLED = re.compile(
    r"^(?:Q_[0-9A-Za-z]+_(.+?)_(?:RR-T-Vent|autres-parametres)|H_[0-9A-Za-z]+_((?:latest-|previous-)?\d{4}-\d{4}))\b"
)
_YEARS = re.compile(r"^(?:latest-|previous-)?(\d{4})-(\d{4})$")


def period_of(file_name: str) -> str:
    """The period that a file's name tells; a file named in another way is a period of its own."""
    if found := _LABELLED.match(file_name):
        return str(found[1] or found[2]).lower()
    stem = file_name.removesuffix(".gz").removesuffix(".csv").lower()
    return "file-" + re.sub(r"[^a-z0-9]+", "-", stem).strip("-")


def years_of(period: str) -> tuple[int, int] | None:
    """First and last year of a period's label, such as `previous-1950-2024`."""
    found = _YEARS.match(period)
    return (int(found[1]), int(found[2])) if found else None


def refuse_unsound(
    connection: duckdb.DuckDBPyConnection,
    received: Received,
    written: Path,
    time: str,
    years: tuple[int, int] | None,
    local_time: str | None = None,
) -> Written:
    """Read back what was written and refuse what is no whole file of one département, within its label's years.

    `local_time` is `time` as the file's own clock tells it, where that is not the same.
    """
    name, local = received.file.name, local_time or time
    row = connection.execute(
        f"""
        select
            count(*), count(distinct station_id), min({local})::timestamp, max({local})::timestamp,
            count(*) filter (not regexp_full_match(station_id, '[0-9]{{8}}')),
            list(distinct {department_sql("station_id")})
        from read_parquet({literal(written)})
        """
    ).fetchone()
    assert row is not None  # noqa: S101 - an aggregate without group by always gives a row
    rows, posts, first, last, strange, departments = row
    if rows != received.rows:
        raise ArchiveFileRefused(name, f"{rows:,} of its {received.rows:,} rows could be read")
    if not rows:
        raise ArchiveFileRefused(name, "it has no rows")
    if strange:
        raise ArchiveFileRefused(name, f"{strange:,} of its rows have no station id of 8 digits")
    if len(departments) > 1:
        raise ArchiveFileRefused(name, f"it mixes départements: {', '.join(sorted(departments))}")
    if years and not (years[0] <= first.year and last.year <= years[1]):
        what = "hours" if received.dataset == "hours" else "days"
        raise ArchiveFileRefused(
            name,
            f"its {what} run from {first:%Y-%m-%d} to {last:%Y-%m-%d}, and its label says {years[0]} to {years[1]}",
        )
    if twice := find_pair(connection, written, time, "="):
        when = f"{twice[1]:%Y-%m-%d}" if received.dataset != "hours" else f"{twice[1]:%Y-%m-%d %H h UTC}"
        raise ArchiveFileRefused(name, f"it has station {twice[0]} twice on {when}")
    return Written(departments[0], rows, posts, first.date(), last.date())

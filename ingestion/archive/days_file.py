"""One file of official days (`Q_…_RR-T-Vent.csv` or `.csv.gz`): read, checked and written as Parquet.

DuckDB reads and sorts under a memory limit, whatever the size of the file. Nothing is kept of a file that is refused.
"""

import gzip
import hashlib
import re
import zlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from ingestion.errors import ArchiveFileRefused, FileUnreadable, printable
from ingestion.raw_store import literal

MEMORY = "400MB"
ROW_GROUP = 20_480  # rows: about one post's days since 1970, so that reading one post reads few groups

# Upstream's quantities. Each has a quality code in a column named Q and its name: 0 protected, 1 validated,
# 2 doubtful, 9 passed the first filters.
QUANTITIES = (
    *("RR", "TN", "HTN", "TX", "HTX", "TM", "TNTXM", "TAMPLI", "TNSOL", "TN50", "DG", "FFM", "FF2M"),
    *("FXY", "DXY", "HXY", "FXI", "DXI", "HXI", "FXI2", "DXI2", "HXI2", "FXI3S", "DXI3S", "HXI3S", "DRR"),
)
_KEY = ("NUM_POSTE", "AAAAMMJJ")
_ABOUT = ("NOM_USUEL", "LAT", "LON", "ALTI")
_NEEDED = (*_KEY, "RR", "TN", "TX")  # a file without these is another data set

# Outside these a value is no weather: the file was written in another unit, or its columns are shifted.
_TEMPERATURES, _RAIN, _WINDS = (-90, 60), (0, 2_000), (0, 150)
_BOUNDS = {
    **dict.fromkeys(("TN", "TX", "TM", "TNTXM", "TNSOL", "TN50"), _TEMPERATURES),
    "RR": _RAIN,
    **dict.fromkeys(("FFM", "FF2M", "FXY", "FXI", "FXI2", "FXI3S"), _WINDS),
}
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Received:
    """What a file is before it is read as days; the digest is that of its text, compressed or not."""

    file: Path
    digest: str
    bytes: int
    header: tuple[str, ...]
    rows: int

    @property
    def header_digest(self) -> str:
        return hashlib.sha256(";".join(self.header).encode()).hexdigest()[:16]

    @property
    def unknown_columns(self) -> tuple[str, ...]:
        """Columns that this version of Girouette does not know: kept in the Parquet as text."""
        known = {*_KEY, *_ABOUT, *QUANTITIES, *(f"Q{name}" for name in QUANTITIES)}
        return tuple(name for name in self.header if name not in known)


@dataclass(frozen=True)
class Days:
    """What a file's days are, once they are written."""

    department: str
    rows: int
    posts: int
    first_day: date
    last_day: date


def receive(file: Path) -> Received:
    """Read a file once to its end: its digest, header and number of rows. Raises ArchiveFileRefused when it is cut."""
    digest, lines, last, start = hashlib.sha256(), 0, b"", b""
    try:
        with file.open("rb") as raw:
            is_gzip = raw.read(2) == b"\x1f\x8b"
        with gzip.open(file) if is_gzip else file.open("rb") as text:
            while chunk := text.read(_CHUNK):
                digest.update(chunk)
                lines += chunk.count(b"\n")
                start = start or chunk[:65_536]
                last = chunk[-1:]
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ArchiveFileRefused(file.name, f"it is cut or damaged ({error})") from error
    except OSError as error:
        raise FileUnreadable(file, error.strerror or str(error)) from error
    header = start.lstrip(b"\xef\xbb\xbf").split(b"\n", 1)[0].decode("utf-8", "replace").rstrip("\r").split(";")
    names = tuple(name.strip() for name in header)
    if missing := [name for name in _NEEDED if name not in names]:
        raise ArchiveFileRefused(
            file.name,
            f"it is no file of official days: it has no column {', '.join(missing)}, "
            f"it starts with “{printable(';'.join(names), 60)}”",
        )
    if len(set(names)) != len(names):
        raise ArchiveFileRefused(file.name, "two of its columns have the same name")
    if last != b"\n":
        raise ArchiveFileRefused(file.name, "it is cut: its last line has no end")
    return Received(file, digest.hexdigest()[:16], file.stat().st_size, names, lines - 1)


def write_days(received: Received, partial: Path, years: tuple[int, int] | None) -> Days:
    """Write a file's days, sorted by post and day, to `partial` and read them again; `years` are those of its label.

    Raises ArchiveFileRefused. The caller syncs and renames the file.
    """
    spill = partial.with_name(f"{partial.name}.spill")
    with duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": str(spill), "threads": 2}) as connection:
        try:
            _copy(connection, _select(received), partial)
        except duckdb.IOException:
            raise  # the machine refuses: no fault of the file
        except (duckdb.DataError, duckdb.InvalidInputException) as error:
            raise ArchiveFileRefused(received.file.name, f"it cannot be read ({error})") from error
        # Upstream sorts its files, and sorting one again would take a third of the time.
        if _find_pair(connection, partial, "<"):
            unsorted = partial.with_name(f"{partial.name}.unsorted")
            partial.replace(unsorted)
            try:
                _copy(connection, f"from read_parquet({literal(unsorted)}) order by station_id, observed_date", partial)
            finally:
                unsorted.unlink()
        return _check(connection, received, partial, years)


def _select(received: Received) -> str:
    """Read columns by name, wherever they stand; those absent from this file are NULL."""
    types = dict.fromkeys(received.header, "varchar")
    types |= {name: "float" for name in (*QUANTITIES, "LAT", "LON", "ALTI") if name in types}
    types |= {f"Q{name}": "utinyint" for name in QUANTITIES if f"Q{name}" in types}
    columns = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in types.items())
    values = ", ".join(
        f"{name if name in types else 'null::float'} as {name}, "
        f"{f'Q{name}' if f'Q{name}' in types else 'null::utinyint'} as Q{name}"
        for name in QUANTITIES
    )
    about = ", ".join(
        f"{name if name in types else 'null'}::{kind} as {column}"
        for name, kind, column in (
            ("NOM_USUEL", "varchar", "station_name"),
            ("LAT", "float", "latitude"),
            ("LON", "float", "longitude"),
            ("ALTI", "float", "altitude_m"),
        )
    )
    unknown = "".join(f', "{name.replace(chr(34), "")}"' for name in received.unknown_columns if name)
    # Ids come with a blank before them, and copies of the files lose the leading zero.
    return f"""
        select
            lpad(trim(NUM_POSTE), 8, '0') as station_id, {about},
            strptime(trim(AAAAMMJJ), '%Y%m%d')::date as observed_date, {values}{unknown}
        from read_csv(
            {literal(received.file)}, columns = {{{columns}}}, delim = ';', header = true, auto_detect = false,
            quote = '', escape = '', compression = {literal(_compression(received.file))}, nullstr = ''
        )
    """


def _compression(file: Path) -> str:
    with file.open("rb") as raw:
        return "gzip" if raw.read(2) == b"\x1f\x8b" else "none"


def _check(
    connection: duckdb.DuckDBPyConnection, received: Received, partial: Path, years: tuple[int, int] | None
) -> Days:
    """Read back what was written and refuse what is no whole, sound file of days."""
    name, written = received.file.name, f"read_parquet({literal(partial)})"
    row = connection.execute(
        f"""
        select
            count(*), count(distinct station_id), min(observed_date), max(observed_date),
            count(*) filter (not regexp_full_match(station_id, '[0-9]{{8}}')),
            list(distinct {department_sql("station_id")})
        from {written}
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
        raise ArchiveFileRefused(
            name, f"its days run from {first} to {last}, and its label says {years[0]} to {years[1]}"
        )
    if twice := _find_pair(connection, partial, "="):
        raise ArchiveFileRefused(name, f"it has station {twice[0]} twice on {twice[1]}")
    _refuse_impossible(connection, name, written)
    return Days(departments[0], rows, posts, first, last)


def _copy(connection: duckdb.DuckDBPyConnection, rows: str, target: Path) -> None:
    connection.execute(
        f"copy ({rows}) to {literal(target)} (format parquet, compression zstd, row_group_size {ROW_GROUP})"
    )


def _find_pair(connection: duckdb.DuckDBPyConnection, file: Path, comparison: str) -> tuple[str, date] | None:
    """Find a row whose key compares so with that of the row before."""
    # A window without an order sees the rows as they stand, and holds nothing in memory.
    found: tuple[str, date] | None = connection.execute(
        f"""
        select station_id, observed_date
        from (
            select
                station_id, observed_date,
                lag(station_id) over () as station_before, lag(observed_date) over () as date_before
            from read_parquet({literal(file)})
        ) as pairs
        where station_before is not null
            and (station_id, observed_date) {comparison} (station_before, date_before)
        limit 1
        """
    ).fetchone()
    return found


def _refuse_impossible(connection: duckdb.DuckDBPyConnection, name: str, written: str) -> None:
    outside = " or ".join(
        f"({column} not between {low} and {high} and Q{column} is distinct from 2)"
        for column, (low, high) in _BOUNDS.items()
    )
    found = connection.execute(
        f"select station_id, observed_date, {', '.join(_BOUNDS)} from {written} where {outside} limit 1"
    ).fetchone()
    if found:
        values = zip(_BOUNDS.items(), found[2:], strict=True)
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


_LABELLED = re.compile(r"^Q_(?P<department>[0-9A-Za-z]+)_(?P<period>.+?)_RR-T-Vent\b")
_YEARS = re.compile(r"^(?:latest-|previous-)?(\d{4})-(\d{4})$")


def period_of(file_name: str) -> str:
    """The period that a file's name tells; a file named in another way is a period of its own."""
    if found := _LABELLED.match(file_name):
        return found["period"].lower()
    stem = file_name.removesuffix(".gz").removesuffix(".csv").lower()
    return "file-" + re.sub(r"[^a-z0-9]+", "-", stem).strip("-")


def years_of(period: str) -> tuple[int, int] | None:
    """First and last year of a period's label, such as `previous-1950-2024`."""
    found = _YEARS.match(period)
    return (int(found[1]), int(found[2])) if found else None

"""One file of hours (`H_….csv` or `.csv.gz`): read, checked and written as Parquet, with hours in UTC.

DuckDB reads under a memory limit, whatever the size of the file. Nothing is kept of a file that is refused.
"""

import csv
from collections.abc import Collection
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import duckdb

from ingestion.archive.hours_columns import CODES, NUMBERS, QUANTITIES, READ, SPELLINGS
from ingestion.archive.received_file import (
    Received,
    Written,
    copy_rows,
    refuse_impossible,
    refuse_unsound,
    sort_file,
)
from ingestion.errors import ArchiveFileRefused
from ingestion.raw_store import literal

MEMORY = "300MB"  # the process then peaks at 460 MB while it sorts a file of 3.7 million rows
_BUFFER, _LINE = 8_000_000, 1_000_000  # bytes: DuckDB's own 32 MB leave too little to sort in
ROW_GROUP = 122_880  # rows: with fewer in a group, planning a question reads longer footers and gains nothing

_KEY = ("NUM_POSTE", "AAAAMMJJHH")
_PLACE = {"NOM_USUEL": "varchar", "LAT": "float", "LON": "float", "ALTI": "float"}
_TEMPERATURES, _HUMIDITIES, _WINDS, _PRESSURES = (-90, 60), (0, 100), (0, 150), (300, 1_100)
_BOUNDS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("T", "TD", "TN", "TX"), _TEMPERATURES),
    **dict.fromkeys(("U", "UN", "UX"), _HUMIDITIES),
    **dict.fromkeys(("FF", "FXY", "FXI", "FXI3S"), _WINDS),
    **dict.fromkeys(("PSTAT", "PMER"), _PRESSURES),
    "RR1": (-0.11, 500),  # -0.1 is a trace
}
_MORE = "more columns have values"  # DuckDB's error message then contains it
# weather_dbt builds days with the same table.
_UTC_OFFSETS = Path(__file__).resolve().parents[2] / "weather_dbt" / "seeds" / "utc_offsets.csv"


def write_hours(received: Received, partial: Path, years: tuple[int, int] | None) -> Written:
    """Write a file's hours, sorted by post and hour, to `partial` and read them again; `years` are those of its label.

    Raises ArchiveFileRefused. The caller syncs and renames the file.
    """
    spill = partial.with_name(f"{partial.name}.spill")
    # One thread: with two, DuckDB 1.5 needs over twice the processor time to keep the order of rows.
    with duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": str(spill), "threads": 1}) as connection:
        connection.execute("set TimeZone = 'UTC'")
        _copy(connection, received, partial)
        _refuse_unknown_time(connection, received, partial)
        sort_file(connection, partial, "observed_at", ROW_GROUP)
        local = f"(observed_at::timestamp + to_hours({utc_offset_sql('station_id')}))"
        hours = refuse_unsound(connection, received, partial, "observed_at", years, local)
        refuse_impossible(connection, received.file.name, partial, "observed_at", _BOUNDS)
        kept = {name for (name, *_) in connection.execute(f"describe from read_parquet({literal(partial)})").fetchall()}
        unknown = tuple(name for name in _spelled(received.header) if name in kept and name not in _known())
        return replace(hours, unknown_columns=unknown)


def _copy(connection: duckdb.DuckDBPyConnection, received: Received, partial: Path) -> None:
    """Write the columns that have values: those a sample shows, or all where another one has some too."""
    try:
        try:
            select = f"{_select(received, received.filled)} {received.order_by('observed_at')}"
            copy_rows(connection, select, partial, ROW_GROUP)
        except duckdb.InvalidInputException as error:
            if _MORE not in str(error):
                raise
            _copy_all(connection, received, partial)
    except duckdb.IOException:
        raise  # the machine refuses: no fault of the file
    except (duckdb.DataError, duckdb.InvalidInputException) as error:
        raise ArchiveFileRefused(received.file.name, f"it cannot be read ({error})") from error


def _copy_all(connection: duckdb.DuckDBPyConnection, received: Received, partial: Path) -> None:
    """Write all columns, then again without the empty ones."""
    whole = partial.with_name(f"{partial.name}.whole")
    try:
        copy_rows(connection, _select(received, received.header), whole, ROW_GROUP)
        empty = [
            _quoted(name)
            for (name,) in connection.execute(
                f"select path_in_schema from parquet_metadata({literal(whole)})"
                " group by path_in_schema having sum(stats_null_count) = sum(num_values)"
            ).fetchall()
            if name.removeprefix("Q") not in READ
        ]
        kept = f"* exclude ({', '.join(empty)})" if empty else "*"
        copy_rows(connection, f"select {kept} from read_parquet({literal(whole)})", partial, ROW_GROUP)
    finally:
        whole.unlink(missing_ok=True)


def _select(received: Received, filled: Collection[str]) -> str:
    """Read columns by name, wherever they stand, those in `filled` only. A value elsewhere is an error."""
    spelled = _spelled(received.header)
    wanted = {name for name, given in zip(spelled, received.header, strict=True) if given in filled}
    types = {name: _type_of(name) if name in wanted else "varchar" for name in spelled}
    columns = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in types.items())
    kept = [name for name in spelled if name in wanted and name not in (*_KEY, *_PLACE)]
    always = [part for name in READ for part in (name, f"Q{name}")]
    values = ", ".join(
        [f"{name if name in wanted else f'null::{_type_of(name)}'} as {name}" for name in always]
        + [_quoted(name) for name in kept if name not in always]
    )
    place = ", ".join(
        f"{name if name in wanted else 'null'}::{_PLACE[name]} as {column}"
        for name, column in zip(_PLACE, ("station_name", "latitude", "longitude", "altitude_m"), strict=True)
    )
    # A column that is thought empty costs little to check, and much to convert.
    empty = [_quoted(name) for name in spelled if name and name not in wanted]
    check = f"where case when coalesce({', '.join(empty)}) is null then true else error({literal(_MORE)}) end"
    # Ids come with a blank before them, and copies of the files lose the leading zero.
    return f"""
        select
            lpad(trim(NUM_POSTE), 8, '0') as station_id, {place},
            (strptime(trim(AAAAMMJJHH), '%Y%m%d%H') - to_hours({utc_offset_sql("station_id")}))::timestamptz
                as observed_at, {values}
        from read_csv(
            {literal(received.file)}, columns = {{{columns}}}, delim = ';', header = true, auto_detect = false,
            quote = '', escape = '', compression = {literal(received.compression)}, nullstr = '',
            buffer_size = {_BUFFER}, max_line_size = {_LINE}
        )
        {check if len(empty) > 0 else ""}
    """


def _spelled(header: tuple[str, ...]) -> tuple[str, ...]:
    """The header with upstream's own spelling of each column, unless that stands there already."""
    return tuple(
        spelling if (spelling := SPELLINGS.get(name, name)) == name or spelling not in header else name
        for name in header
    )


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    return frozenset((*_KEY, *_PLACE, *QUANTITIES, *(f"Q{name}" for name in QUANTITIES)))


def _type_of(name: str) -> str:
    if name in NUMBERS or _PLACE.get(name) == "float":
        return "float"
    return "utinyint" if name.startswith("Q") and name[1:] in (*NUMBERS, *CODES) else "varchar"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _refuse_unknown_time(connection: duckdb.DuckDBPyConnection, received: Received, written: Path) -> None:
    """Refuse hours that cannot be told in UTC: overseas they are in a fixed local time, which is not guessed."""
    posts = connection.execute(
        f"select distinct station_id from read_parquet({literal(written)}) where observed_at is null order by 1 limit 5"
    ).fetchall()
    if posts:
        raise ArchiveFileRefused(
            received.file.name,
            f"the local time of its stations ({', '.join(post for (post,) in posts)}) is not known, so their hours "
            f"cannot be told in UTC: write the offset into {_UTC_OFFSETS.name}, then load the file again",
        )


@lru_cache(maxsize=1)
def _utc_offsets() -> dict[str, int]:
    with _UTC_OFFSETS.open(encoding="utf-8") as lines:
        return {
            row["station_prefix"]: int(row["utc_offset_hours"])
            for row in csv.DictReader(lines)
            if row["utc_offset_hours"]
        }


def utc_offset_sql(station_id: str) -> str:
    """Hours to add to UTC for a station's fixed local time: 0 outside the overseas territories, NULL if not known."""
    known = " ".join(f"when '{prefix}' then {hours}" for prefix, hours in _utc_offsets().items())
    return f"case when left({station_id}, 2) not in ('97', '98') then 0 else case left({station_id}, 3) {known} end end"

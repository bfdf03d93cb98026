"""One file of official days (`Q_…_RR-T-Vent.csv` or `.csv.gz`): read, checked and written as Parquet.

DuckDB reads and sorts under a memory limit, whatever the size of the file. Nothing is kept of a file that is refused.
"""

from dataclasses import replace
from pathlib import Path

import duckdb

from ingestion.archive.received_file import (
    MEMORY,
    Received,
    Written,
    copy_rows,
    refuse_impossible,
    refuse_unsound,
    sort_file,
)
from ingestion.errors import ArchiveFileRefused
from ingestion.raw_store import literal

ROW_GROUP = 20_480  # rows: about one post's days since 1970, so that reading one post reads few groups

# Upstream's quantities. Each has a quality code in a column named Q and its name: 0 protected, 1 validated,
# 2 doubtful, 9 passed the first filters.
QUANTITIES = (
    *("RR", "TN", "HTN", "TX", "HTX", "TM", "TNTXM", "TAMPLI", "TNSOL", "TN50", "DG", "FFM", "FF2M"),
    *("FXY", "DXY", "HXY", "FXI", "DXI", "HXI", "FXI2", "DXI2", "HXI2", "FXI3S", "DXI3S", "HXI3S", "DRR"),
)
_KEY = ("NUM_POSTE", "AAAAMMJJ")
_ABOUT = ("NOM_USUEL", "LAT", "LON", "ALTI")

_TEMPERATURES, _RAIN, _WINDS = (-90, 60), (0, 2_000), (0, 150)
_BOUNDS = {
    **dict.fromkeys(("TN", "TX", "TM", "TNTXM", "TNSOL", "TN50"), _TEMPERATURES),
    "RR": _RAIN,
    **dict.fromkeys(("FFM", "FF2M", "FXY", "FXI", "FXI2", "FXI3S"), _WINDS),
}


def write_days(received: Received, partial: Path, years: tuple[int, int] | None) -> Written:
    """Write a file's days, sorted by post and day, to `partial` and read them again; `years` are those of its label.

    Raises ArchiveFileRefused. The caller syncs and renames the file.
    """
    spill = partial.with_name(f"{partial.name}.spill")
    with duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": str(spill), "threads": 2}) as connection:
        try:
            copy_rows(connection, _select(received), partial, ROW_GROUP)
        except duckdb.IOException:
            raise  # the machine refuses: no fault of the file
        except (duckdb.DataError, duckdb.InvalidInputException) as error:
            raise ArchiveFileRefused(received.file.name, f"it cannot be read ({error})") from error
        sort_file(connection, partial, "observed_date", ROW_GROUP)
        days = refuse_unsound(connection, received, partial, "observed_date", years)
        refuse_impossible(connection, received.file.name, partial, "observed_date", _BOUNDS)
        return replace(days, unknown_columns=_unknown(received))


def _unknown(received: Received) -> tuple[str, ...]:
    known = {*_KEY, *_ABOUT, *QUANTITIES, *(f"Q{name}" for name in QUANTITIES)}
    return tuple(name for name in received.header if name not in known)


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
    unknown = "".join(f', "{name.replace(chr(34), "")}"' for name in _unknown(received) if name)
    # Ids come with a blank before them, and copies of the files lose the leading zero.
    return f"""
        select
            lpad(trim(NUM_POSTE), 8, '0') as station_id, {about},
            strptime(trim(AAAAMMJJ), '%Y%m%d')::date as observed_date, {values}{unknown}
        from read_csv(
            {literal(received.file)}, columns = {{{columns}}}, delim = ';', header = true, auto_detect = false,
            quote = '', escape = '', compression = {literal(received.compression)}, nullstr = ''
        )
    """

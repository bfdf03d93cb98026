"""One file of official days (`Q_…_RR-T-Vent.csv`, `Q_…_autres-parametres.csv`): read, checked, written as Parquet.

DuckDB reads and sorts under a memory limit, whatever the size of the file. Nothing is kept of a file that is refused.
"""

from dataclasses import replace
from pathlib import Path

import duckdb

from ingestion.archive.day_quantities import DAY_FILES, DayQuantities
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

_KEY = ("NUM_POSTE", "AAAAMMJJ")
_ABOUT = ("NOM_USUEL", "LAT", "LON", "ALTI")


def write_days(received: Received, partial: Path, years: tuple[int, int] | None) -> Written:
    """Write a file's days, sorted by post and day, to `partial` and read them again; `years` are those of its label.

    Raises ArchiveFileRefused. The caller syncs and renames the file.
    """
    quantities = DAY_FILES[received.dataset]
    spill = partial.with_name(f"{partial.name}.spill")
    with duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": str(spill), "threads": 2}) as connection:
        try:
            select = f"{_select(received, quantities)} {received.order_by('observed_date')}"
            copy_rows(connection, select, partial, ROW_GROUP)
        except duckdb.IOException:
            raise  # the machine refuses: no fault of the file
        except (duckdb.DataError, duckdb.InvalidInputException) as error:
            raise ArchiveFileRefused(received.file.name, f"it cannot be read ({error})") from error
        sort_file(connection, partial, "observed_date", ROW_GROUP)
        days = refuse_unsound(connection, received, partial, "observed_date", years)
        refuse_impossible(connection, received.file.name, partial, "observed_date", quantities.bounds)
        return replace(days, unknown_columns=_unknown(received, quantities))


def _unknown(received: Received, quantities: DayQuantities) -> tuple[str, ...]:
    known = {*_KEY, *_ABOUT, *quantities.names, *(f"Q{name}" for name in quantities.names)}
    return tuple(name for name in received.header if name not in known)


def _select(received: Received, quantities: DayQuantities) -> str:
    """Read columns by name, wherever they stand; those absent from this file are NULL."""
    types = dict.fromkeys(received.header, "varchar")
    types |= {name: "float" for name in (*quantities.names, "LAT", "LON", "ALTI") if name in types}
    types |= {f"Q{name}": "utinyint" for name in quantities.names if f"Q{name}" in types}
    columns = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in types.items())
    values = ", ".join(
        f"{name if name in types else 'null::float'} as {name}, "
        f"{f'Q{name}' if f'Q{name}' in types else 'null::utinyint'} as Q{name}"
        for name in quantities.names
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
    unknown = "".join(f', "{name.replace(chr(34), "")}"' for name in _unknown(received, quantities) if name)
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

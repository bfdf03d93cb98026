"""The file of an order at DPClim: hours of one post, with a decimal comma and under the archive's names."""

import duckdb
import pyarrow as pa

from ingestion.errors import HeaderChanged
from ingestion.meteofrance.csv_rows import read_csv_rows
from ingestion.meteofrance.schema import OBSERVATION_COLUMNS, STATION_ID, VALIDITY_TIME
from ingestion.meteofrance.six_minutes import ORIGIN
from ingestion.source import MalformedRow, Packet, PayloadFormat, malformed_row

ORDER_FILES = "commande-horaire"
ORDER = "order"  # what the hours of such a file say they came from

_POST, _DATE = "POSTE", "DATE"
# The name in hourly packets, and the value in their unit: the file has °C, hPa, cm and J/cm².
_VALUES = {
    **{
        name: (column, "round({} + 273.15, 2)")
        for name, column in {
            "t": "T",
            "td": "TD",
            "tx": "TX",
            "tn": "TN",
            "t_10": "T10",
            "t_20": "T20",
            "t_50": "T50",
            "t_100": "T100",
        }.items()
    },
    **{
        name: (column, "{}")
        for name, column in {
            "u": "U",
            "ux": "UX",
            "un": "UN",
            "dd": "DD",
            "ff": "FF",
            "dxy": "DXY",
            "fxy": "FXY",
            "raf": "FXI3S",
            "ddraf": "DXI3S",
            "fxi": "FXI",
            "dxi": "DXI",
            "rr1": "RR1",
            "vv": "VV",
            "n": "N",
            "insolh": "INS",
        }.items()
    },
    "sss": ("NEIGETOT", "round({} / 100, 3)"),
    "ray_glo01": ("GLO", "round({} * 10000)"),
    "pres": ("PSTAT", "round({} * 100)"),
    "pmer": ("PMER", "round({} * 100)"),
}
_DOUBTFUL = "2"
_KNOWN = (_POST, _DATE, *(column for column, _ in _VALUES.values()))
_ESSENTIAL = (_POST, _DATE, "T", "RR1")


def parse_order(body: bytes, format: PayloadFormat) -> Packet:  # noqa: ARG001 - CSV only
    """Read hours in the units of an hourly packet; a PayloadError says why they cannot be read.

    A value with the code 2, doubtful, is left out. Files from before March 2025 have no codes.
    """
    read = read_csv_rows(body, _KNOWN, _ESSENTIAL)
    names = read.table.column_names
    if missing := tuple(name for name in _ESSENTIAL if name not in names):
        raise HeaderChanged(missing, ())
    hours, unreadable = _hours(read.table)
    malformed = (*read.malformed, *unreadable)
    return Packet(
        rows=hours,
        present_columns=(*OBSERVATION_COLUMNS, ORIGIN),
        rows_seen=hours.num_rows + len(malformed),
        malformed=malformed,
        note=read.note,
    )


def _hours(rows: pa.Table) -> tuple[pa.Table, tuple[MalformedRow, ...]]:
    present = set(rows.column_names)
    chosen = {
        # Somebody's copy may have lost the leading zero.
        STATION_ID: f"lpad(trim({_POST}), 8, '0')",
        VALIDITY_TIME: "strftime(hour, '%Y-%m-%dT%H:%M:%SZ')",
    }
    for name, (column, how) in _VALUES.items():
        if column in present:
            number = f"try_cast(replace({column}, ',', '.') as double)"
            value = f"({how.format(number)})::varchar"
            is_sound = f"Q{column} is distinct from '{_DOUBTFUL}'"
            chosen[name] = f"case when {is_sound} then {value} end" if f"Q{column}" in present else value
    columns = ", ".join(f"{chosen.get(name, 'cast(null as varchar)')} as {name}" for name in OBSERVATION_COLUMNS)
    with duckdb.connect() as connection:
        connection.register("file", rows)
        connection.execute(f"""
            create temp table timed as
            select *, row_number() over () as position, try_strptime(trim({_DATE}), '%Y%m%d%H') as hour from file
        """)
        unreadable = connection.execute(
            f"select position, coalesce({_DATE}, '') from timed where hour is null order by position"
        ).fetchall()
        hours = connection.execute(
            f"select {columns}, '{ORDER}' as {ORIGIN} from timed where hour is not null order by position"
        ).to_arrow_table()
    return hours, tuple(malformed_row(at, f"{_DATE} is not an hour (AAAAMMJJHH)", text) for at, text in unreadable)

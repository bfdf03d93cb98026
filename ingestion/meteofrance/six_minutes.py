"""Six-minute packets: the hours that follow from their rows.

An hour has ten rows, at 06, 12 … 54 minutes and at the hour itself. In a real packet of 24 hours they give the hour's
rain, temperature, humidity, sunshine and pressure exactly (23 of 23). They do not tell its extremes of temperature and
humidity, its highest mean wind and its cloud cover, which stay empty.
"""

import duckdb
import pyarrow as pa

from ingestion.errors import HeaderChanged
from ingestion.meteofrance.csv_rows import read_csv_rows
from ingestion.meteofrance.json_rows import read_json_rows
from ingestion.meteofrance.schema import INSTANTS, KEY_COLUMNS, OBSERVATION_COLUMNS, STATION_ID, VALIDITY_TIME
from ingestion.source import MalformedRow, Packet, PayloadFormat, malformed_row

SIX_MINUTE_PACKETS = "paquet-infrahoraire-6m"
SIX_MINUTES = "six_minutes"  # what such an hour was rebuilt from
ORIGIN = "origin"

# As the hour's own row has them: the state at the hour.
_AT_THE_HOUR = (
    *("lat", "lon", "t", "td", "u", "dd", "ff", "t_10", "t_20", "t_50", "t_100"),
    *("vv", "etat_sol", "sss", "pres", "pmer"),
)
_SUMS = {"insolh": "insolh", "ray_glo01": "ray_glo01"}
# Hourly names of the highest gust and its direction, by the names in the rows: v2's and v1's are two quantities.
_GUSTS = {("raf10", "ddraf10"): ("raf", "ddraf"), ("fxi10", "dxi10"): ("fxi", "dxi")}
_RAIN = "rr_per"
KNOWN_COLUMNS = (
    *KEY_COLUMNS,
    *("reference_time", "insert_time"),
    *_AT_THE_HOUR,
    *_SUMS,
    *(name for pair in _GUSTS for name in pair),
    _RAIN,
)
_ESSENTIAL = (*KEY_COLUMNS, "t", _RAIN)


def parse_six_minutes(body: bytes, format: PayloadFormat) -> Packet:
    """Rebuild hours from a packet of six-minute rows; a PayloadError says why it cannot be read.

    An hour without a row at the hour itself is not over, and gives none. A sum or a maximum needs all ten rows.
    """
    read = read_csv_rows(body, KNOWN_COLUMNS, _ESSENTIAL) if format == "csv" else read_json_rows(body, KNOWN_COLUMNS)
    names = read.table.column_names
    if names and (missing := tuple(name for name in _ESSENTIAL if name not in names)):
        raise HeaderChanged(missing, ())
    hours, unreadable = _hours(read.table) if names else (None, ())
    malformed = (*read.malformed, *unreadable)
    columns = (*OBSERVATION_COLUMNS, ORIGIN)
    if hours is None:
        hours = pa.table([pa.array([], pa.string()) for _ in columns], names=list(columns))
    return Packet(
        rows=hours,
        present_columns=columns,
        rows_seen=hours.num_rows + len(malformed),
        malformed=malformed,
        note=read.note,
    )


def _hours(rows: pa.Table) -> tuple[pa.Table, tuple[MalformedRow, ...]]:
    present = set(rows.column_names)
    columns: dict[str, str] = {STATION_ID: STATION_ID, VALIDITY_TIME: "strftime(hour, '%Y-%m-%dT%H:%M:%SZ')"}
    for name in ("reference_time", "insert_time"):
        columns[name] = f"max({name})" if name in present else "null"
    for name in _AT_THE_HOUR:
        columns[name] = f"any_value({name}) filter (instant = hour)" if name in present else "null"
    for name, source in _SUMS.items():
        columns[name] = _sum(source) if source in present else "null"
    for (gust, bearing), (speed, direction) in _GUSTS.items():
        is_there = {gust, bearing} <= present
        highest = f"arg_max({{}}, try_cast({gust} as double) order by instant)"
        columns[speed] = _of_all(gust, highest.format(gust)) if is_there else "null"
        columns[direction] = _of_all(gust, highest.format(bearing)) if is_there else "null"
    # A trace is told as -0.1: it adds nothing, and stays a trace when nothing more fell.
    rain, fell = _number(_RAIN), _sum(_RAIN, "greatest({}, 0)")
    columns["rr1"] = (
        f"case when min({rain}) < 0 and max({rain}) <= 0 and count({rain}) = 10 then '-0.1' else {fell} end"
    )
    chosen = ", ".join(
        f"{'cast(null as varchar)' if columns.get(name, 'null') == 'null' else columns[name]} as {name}"
        for name in OBSERVATION_COLUMNS
    )
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("packet", rows)
        connection.execute(f"""
            create temp table timed as
            select
                *, row_number() over () as position, try_cast({VALIDITY_TIME} as timestamptz) as instant,
                date_trunc('hour', instant + interval 59 minute) as hour,
                coalesce(epoch(instant)::bigint % 360 = 0 and epoch_us(instant) % 1000000 = 0, false) as is_instant
            from packet
        """)
        unreadable = connection.execute(
            f"select position, coalesce({VALIDITY_TIME}, '') from timed where not is_instant order by position"
        ).fetchall()
        hours = connection.execute(f"""
            with kept as (
                select * from timed where is_instant
                qualify row_number() over (partition by {STATION_ID}, instant order by position desc) = 1
            )
            select {chosen}, '{SIX_MINUTES}' as {ORIGIN}
            from kept
            group by {STATION_ID}, hour
            having count(*) filter (instant = hour) = 1
            order by {STATION_ID}, hour
        """).to_arrow_table()
    reason = f"{VALIDITY_TIME} is not a time on the six-minute grid"
    return hours, tuple(malformed_row(position, reason, text) for position, text in unreadable)


def _number(column: str) -> str:
    return f"try_cast({column} as decimal(18, 3))"


def _sum(column: str, of_each: str = "{}") -> str:
    return _of_all(column, f"(sum({of_each.format(_number(column))})::double)::varchar")


def _of_all(column: str, value: str) -> str:
    return f"case when count({_number(column)}) = {INSTANTS} then {value} end"

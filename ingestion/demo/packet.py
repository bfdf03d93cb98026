"""Packets as the API answers them at a given moment, in its three formats."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import duckdb

from ingestion.demo.weather import weather_query

PacketFormat = Literal["csv", "json", "geojson"]

PACKET_SQL = Path(__file__).with_name("packet.sql").read_text(encoding="utf-8")
PACKET_COLUMNS = (
    *("lat", "lon", "geo_id_insee", "reference_time", "insert_time", "validity_time"),
    *("t", "td", "tx", "tn", "u", "ux", "un", "dd", "ff", "dxy", "fxy", "ddraf", "raf", "rr1"),
    *("t_10", "t_20", "t_50", "t_100", "vv", "etat_sol", "sss", "n", "insolh", "ray_glo01", "pres", "pmer"),
)
SIX_MINUTES_SQL = Path(__file__).with_name("six_minutes.sql").read_text(encoding="utf-8")
SIX_MINUTES_COLUMNS = (
    *("lat", "lon", "geo_id_insee", "reference_time", "insert_time", "validity_time"),
    *("t", "td", "u", "dd", "ff", "ddraf10", "raf10", "rr_per", "t_10", "t_20", "t_50", "t_100"),
    *("vv", "etat_sol", "sss", "insolh", "ray_glo01", "pres", "pmer"),
)
MEDIA_TYPES: dict[str, str] = {
    "csv": "text/csv",
    "json": "application/json",
    "geojson": "application/geo+json",
}


@dataclass(frozen=True)
class PacketRequest:
    """The hours in [start, end) of one département or station, or of all France, as known at `now`."""

    start: datetime
    end: datetime
    now: datetime
    department: str | None = None
    station: str | None = None
    is_six_minutes: bool = False
    instant: datetime | None = None  # of all six-minute rows the ones to give


def render_packet(con: duckdb.DuckDBPyConnection, request: PacketRequest, packet_format: PacketFormat) -> str:
    """Compute the packet and write it; DuckDB makes the text of each row."""
    end = min(request.end, request.now + timedelta(hours=1))
    stations = [request.station] if request.station else None
    weather = weather_query(request.start, end, department=request.department, station_ids=stations)
    known_at = request.now.astimezone(UTC).replace(tzinfo=None)
    # The two endpoints stamp the same row differently: only the département's stamps are shifted.
    stamp_shift = 1 if request.department else 0
    columns, query = (SIX_MINUTES_COLUMNS, SIX_MINUTES_SQL) if request.is_six_minutes else (PACKET_COLUMNS, PACKET_SQL)
    instant = request.instant.astimezone(UTC).replace(tzinfo=None) if request.instant else None
    rows = con.execute(
        f"""
        with weather as ({weather}), asked as (select $known_at as known_at, $stamp_shift as stamp_shift)
        select {_row_text(packet_format, columns)} from ({query})
        where $instant is null or validity_time = $instant
        """,
        {"known_at": known_at, "stamp_shift": stamp_shift, "instant": instant},
    ).fetchall()
    texts = [text for (text,) in rows]
    if packet_format == "csv":
        return "".join(f"{line}\n" for line in (";".join(columns), *texts))
    if packet_format == "json":
        return f"[{','.join(texts)}]"
    return f'{{"type":"FeatureCollection","features":[{",".join(texts)}]}}'


def _row_text(packet_format: PacketFormat, columns: tuple[str, ...]) -> str:
    if packet_format == "csv":
        cells = ", ".join(f"coalesce({_value(column)}::varchar, '')" for column in columns)
        return f"concat_ws(';', {cells})"
    if packet_format == "json":
        return f"to_json({_struct(columns)})::varchar"
    geometry = "{'type': 'Point', 'coordinates': [lon, lat]}"
    return f"to_json({{'type': 'Feature', 'geometry': {geometry}, 'properties': {_struct(columns[2:])}}})::varchar"


def _struct(columns: tuple[str, ...]) -> str:
    return "{" + ", ".join(f"'{column}': {_value(column)}" for column in columns) + "}"


def _value(column: str) -> str:
    return f"strftime({column}, '%Y-%m-%dT%H:%M:%SZ')" if column.endswith("_time") else column

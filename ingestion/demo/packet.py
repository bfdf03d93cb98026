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
MEDIA_TYPES: dict[str, str] = {
    "csv": "text/csv",
    "json": "application/json",
    "geojson": "application/geo+json",
}


@dataclass(frozen=True)
class PacketRequest:
    """The hours in [start, end) of one département, or of all France, as known at `now`."""

    start: datetime
    end: datetime
    now: datetime
    department: str | None = None


def render_packet(con: duckdb.DuckDBPyConnection, request: PacketRequest, packet_format: PacketFormat) -> str:
    """Compute the packet and write it; DuckDB makes the text of each row."""
    end = min(request.end, request.now + timedelta(hours=1))
    weather = weather_query(request.start, end, department=request.department)
    known_at = request.now.astimezone(UTC).replace(tzinfo=None)
    # The two endpoints stamp the same row differently: only the département's stamps are shifted.
    stamp_shift = 1 if request.department else 0
    rows = con.execute(
        f"""
        with weather as ({weather}), asked as (select $known_at as known_at, $stamp_shift as stamp_shift)
        select {_row_text(packet_format)} from ({PACKET_SQL})
        """,
        {"known_at": known_at, "stamp_shift": stamp_shift},
    ).fetchall()
    texts = [text for (text,) in rows]
    if packet_format == "csv":
        return "".join(f"{line}\n" for line in (";".join(PACKET_COLUMNS), *texts))
    if packet_format == "json":
        return f"[{','.join(texts)}]"
    return f'{{"type":"FeatureCollection","features":[{",".join(texts)}]}}'


def _row_text(packet_format: PacketFormat) -> str:
    if packet_format == "csv":
        cells = ", ".join(f"coalesce({_value(column)}::varchar, '')" for column in PACKET_COLUMNS)
        return f"concat_ws(';', {cells})"
    if packet_format == "json":
        return f"to_json({_struct(PACKET_COLUMNS)})::varchar"
    geometry = "{'type': 'Point', 'coordinates': [lon, lat]}"
    return (
        f"to_json({{'type': 'Feature', 'geometry': {geometry}, 'properties': {_struct(PACKET_COLUMNS[2:])}}})::varchar"
    )


def _struct(columns: tuple[str, ...]) -> str:
    return "{" + ", ".join(f"'{column}': {_value(column)}" for column in columns) + "}"


def _value(column: str) -> str:
    return f"strftime({column}, '%Y-%m-%dT%H:%M:%SZ')" if column.endswith("_time") else column

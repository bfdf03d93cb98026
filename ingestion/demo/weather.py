"""The demo's weather as DuckDB relations: a pure function of station and hour."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from ingestion.demo.stations import DEPARTMENTS, STATIONS_FILE

WEATHER_SQL = Path(__file__).with_name("weather.sql").read_text(encoding="utf-8")

_CREATE_STATIONS = f"""
    create schema if not exists demo;
    create table if not exists demo.stations as
    select * from read_csv(
        '{STATIONS_FILE}',
        auto_detect = false,
        header = true,
        delim = ';',
        columns = {{
            'id_station': 'varchar',
            'id_omm': 'varchar',
            'nom_usuel': 'varchar',
            'latitude': 'double',
            'longitude': 'double',
            'altitude': 'double',
            'date_ouverture': 'date',
            'pack': 'varchar'
        }}
    );
"""


def load_stations(con: duckdb.DuckDBPyConnection) -> None:
    """Create `demo.stations` in the connection's database; do nothing if it is there."""
    con.execute(_CREATE_STATIONS)


def weather_query(
    start: datetime,
    end: datetime,
    *,
    station_ids: Sequence[str] | None = None,
    department: str | None = None,
) -> str:
    """The SELECT over `demo.stations` of every station's weather at the round hours in [start, end)."""
    return f"""
        with asked as (
            select {_hours_since_1970(start)} as first_hour, {_hours_since_1970(end) - 1} as last_hour
        ),
        stations as (select * from demo.stations where {_station_condition(station_ids, department)})
        select * from ({WEATHER_SQL})
    """


def weather_between(
    con: duckdb.DuckDBPyConnection,
    start: datetime,
    end: datetime,
    *,
    station_ids: Sequence[str] | None = None,
    department: str | None = None,
) -> duckdb.DuckDBPyRelation:
    """One row per (station, round hour in [start, end)) with upstream's fields and units.

    Lazy: nothing is computed before the relation is read. `validity_time` is a TIMESTAMP in UTC. Values a
    station does not measure are NULL. No transmission quirk: every row, final values only. Creates
    `demo.stations` in the connection's database if needed. DuckDB computes one range on one core (a million
    rows a second, measured): give ranges to several cursors to use them all.
    """
    load_stations(con)
    return con.sql(weather_query(start, end, station_ids=station_ids, department=department))


def _hours_since_1970(instant: datetime) -> int:
    """The first round hour at or after the instant."""
    return -int(-instant.astimezone(UTC).timestamp() // 3600)


def _station_condition(station_ids: Sequence[str] | None, department: str | None) -> str:
    conditions = ["true"]
    if station_ids is not None:
        if not all(station_id.isdecimal() for station_id in station_ids):
            raise ValueError(f"station ids are digits only, not {station_ids!r}")
        listed = ", ".join(f"'{station_id}'" for station_id in station_ids)
        conditions.append(f"list_contains([{listed}]::varchar[], id_station)")
    if department is not None:
        if department not in DEPARTMENTS:
            raise ValueError(f"the demo has no département {department!r}; codes have no leading zero")
        conditions.append(f"starts_with(id_station, '{department.zfill(2)}')")
    return " and ".join(conditions)

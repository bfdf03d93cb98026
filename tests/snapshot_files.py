"""A snapshot's file made by hand: what dbt would have built, and the archive's views over it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb

from ingestion.archive.hours_sql import FIELDS
from ingestion.archive.ledger import read_ledger
from ingestion.paths import DataPaths
from orchestration.snapshots.archive_views import show_archive

Ask = Callable[[str], list[Any]]

_HOURLY = [name for name in FIELDS if not name.startswith("gust")]
TABLES = f"""
    create schema raw; create schema marts; create schema meta;
    create table raw.observations (
        geo_id_insee varchar, observed_at timestamptz, reference_time varchar, version_seen_at timestamptz,
        version integer
    );
    create table marts.hourly_observations (
        station_id varchar, station_name varchar, department_code varchar, observed_at timestamptz,
        {", ".join(f"{name} {'integer' if name == 'cloud_cover_octas' else 'double'}" for name in _HOURLY)},
        gust_ms double, gust_direction_deg double, gust_kind varchar, is_trace boolean, is_sky_obscured boolean,
        latitude double, longitude double, rejected_fields varchar, source varchar
    );
    create table marts.daily_observations (
        station_id varchar, station_name varchar, department_code varchar, observed_date date,
        is_final boolean, precipitation_mm double, temperature_min_c double, temperature_max_c double,
        temperature_mean_c double, wind_mean_ms double, max_mean_wind_ms double, gust_max_ms double,
        gust_kind varchar, sunshine_min double, radiation_j_m2 double, humidity_mean_pct double,
        sea_level_pressure_mean_hpa double, snow_depth_06utc_cm double, snow_depth_max_cm double
    );
"""


def snapshot_with(paths: DataPaths, file: Path, statements: Sequence[str]) -> Ask:
    """Make a snapshot's file with the archive's views; return a way to ask it, with times in UTC."""
    with duckdb.connect(str(file)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(TABLES)
        for statement in statements:
            connection.execute(statement)
    show_archive(file, paths, read_ledger(paths))

    def ask(sql: str) -> list[Any]:
        with duckdb.connect(str(file), read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            return connection.execute(sql).fetchall()

    return ask

"""`meta.closed_stations`: a summary of each station's closed days, so that `marts.stations` reads no closed file."""

from pathlib import Path

import duckdb

from ingestion.closed_months import REGISTRY, has_table
from ingestion.raw_store import literal

DAYS = "marts.daily_observations"

_TABLE = "meta.closed_stations"
# The same sums as in marts.stations and int_station_findings (all_days in weather_dbt/macros/closed.sql).
_ROWS = """
select
    {name} as file,
    station_id,
    arg_max(latitude, last_observed_at) as latitude,
    arg_max(longitude, last_observed_at) as longitude,
    min(first_observed_at) as first_observed_at,
    max(last_observed_at) as last_observed_at,
    cast(sum(columns('.*_hours$')) as bigint)
from read_parquet({file})
group by station_id
order by station_id
"""


def record_stations(connection: duckdb.DuckDBPyConnection, file: Path, name: str) -> None:
    """Summarise one closed file of days and drop reopened months, inside the caller's transaction.

    `name` is the file's name in the registry, which must already list it.
    """
    rows = _ROWS.format(name=literal(name), file=literal(file))
    if has_table(connection, _TABLE):
        connection.execute(
            f"delete from {_TABLE} where file = {literal(name)}"
            f" or file not in (select closed.file from {REGISTRY} as closed where closed.reopened_at is null)"
        )
        if connection.execute(f"select count(*) from {_TABLE}").fetchone() != (0,):
            connection.execute(f"insert into {_TABLE} by name {rows}")
            return
        connection.execute(f"drop table {_TABLE}")  # a changed project, which reopened all, may have other columns
    connection.execute(f"create table {_TABLE} as {rows}")

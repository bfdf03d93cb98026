"""The climate's views in a snapshot: months, anomalies and posts, all read from the archive's days when asked."""

from typing import Any

import duckdb

from ingestion.archive.aliases import ALIASES
from ingestion.archive.climate import FIRST_YEAR, LAST_YEAR, LEAST_YEARS, all_months_sql
from orchestration.snapshots.describe import describe

_MONTHS = f"""
select
    station_id, quantity, month, case when is_whole then round(value, 2) end as value, days, missing_days,
    missing_in_a_row, is_whole
from ({all_months_sql("marts.daily_history", "marts.daily_other")}) as months
"""
# The list of a calendar month's values is that of the normal, so it has 30 values at most.
_ANOMALIES = f"""
with whole as (
    select
        station_id, quantity, month, month(month) as calendar_month, value,
        rank() over (partition by station_id, quantity, month(month) order by value desc) as rank,
        count(*) over (partition by station_id, quantity, month(month)) as rank_of_years,
        list(value) filter (year(month) between {FIRST_YEAR} and {LAST_YEAR})
            over (partition by station_id, quantity, month(month)) as of_normal
    from marts.monthly_history
    where is_whole
)
select
    whole.station_id, whole.quantity, whole.month, whole.value, normals.normal,
    round(whole.value - normals.normal, 2) as departure, whole.rank, whole.rank_of_years,
    case when normals.is_normal then round(100 * list_avg(list_transform(
        whole.of_normal, lambda other: case when other < whole.value then 1 when other = whole.value then 0.5 else 0 end
    )), 1) end as percentile,
    coalesce(normals.years, 0) as years, coalesce(normals.is_normal, false) as is_normal
from whole
left join marts.normals_monthly as normals
    on whole.station_id = normals.station_id and whole.quantity = normals.quantity
    and whole.calendar_month = normals.month
"""


def show_climate(connection: duckdb.DuckDBPyConnection, days: str) -> None:
    """Add the views to a snapshot's file that has marts.daily_history and marts.normals_monthly; `days` is a SELECT."""
    connection.execute(f"create view marts.monthly_history as {_MONTHS}")
    connection.execute(f"create view marts.anomalies as {_ANOMALIES}")
    connection.execute(
        f"""
        create view marts.posts as
        select
            station_id, max_by(station_name, observed_date) as station_name,
            round(max_by(latitude, observed_date)::double, 5) as latitude,
            round(max_by(longitude, observed_date)::double, 5) as longitude,
            max_by(altitude_m, observed_date)::double as altitude_m, min(observed_date) as first_day,
            max(observed_date) as last_day, count(*) as days
        from ({days}) as days
        group by station_id
        """
    )
    connection.execute("create table meta.station_aliases (former_id varchar, station_id varchar, since date)")
    connection.executemany(
        "insert into meta.station_aliases values (?, ?, ?)",
        [[alias.former_id, alias.station_id, alias.since] for alias in ALIASES],
    )


CLIMATE_DOCS: dict[str, dict[str, Any]] = {
    "marts.monthly_history": describe(
        "Months of each station and quantity, from marts.daily_history and marts.daily_other. Name a station_id: "
        "all stations take long.",
        month="First day of the month.",
        value="Sum of rain, sunshine, new snow, evapotranspiration and days with something; maximum of strongest wind, "
        "gusts and snow depth; mean of all else. NULL where is_whole is false.",
        days="Days with a value.",
        missing_days="Days without one.",
        missing_in_a_row="Longest run of days without one.",
        is_whole="Of a sum: no day is missing. Of all else: at most 10 are missing, and at most 4 in a row.",
    ),
    "marts.anomalies": describe(
        f"Whole months against their normal {FIRST_YEAR}-{LAST_YEAR}. Name a station_id: all stations take long.",
        month="First day of the month.",
        departure="Value minus normal.",
        rank="Place among the same calendar month of all years, 1 is the highest.",
        rank_of_years="Years in which this calendar month is whole.",
        percentile="Share of the normal's years that were lower, in percent; equal ones count half.",
        years="Years of the normal.",
        is_normal=f"Whether at least {LEAST_YEARS} years count. Where false, normal and departure are NULL.",
    ),
    "marts.posts": describe(
        "Posts that the archive has days of, closed ones too, with their last known place.",
        first_day="First official day.",
        last_day="Last official day: of a closed post, its end.",
        days="Official days.",
    ),
    "meta.station_aliases": describe(
        "Posts that got a new number. The series of both numbers are never joined.",
        former_id="The number until then.",
        station_id="The number since.",
        since="First day of the new number.",
    ),
}

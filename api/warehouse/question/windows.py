"""Windows over the last 3, 6, 12 and 24 hours of one station's history, counted when asked.

The rules are those of marts.hourly_observations (weather_dbt/macros/windows.sql): a window is NULL unless all of its
hours are there, and its own column counts them.
"""

from datetime import timedelta

LONGEST = timedelta(hours=24)
_HOURS = (3, 6, 12, 24)
# Name, unit, aggregate and column. The two kinds of gust are two quantities here, so no window mixes them.
_WINDOWS = (
    ("precipitation", "mm", "sum", "precipitation_mm"),
    ("temperature_mean", "c", "avg", "temperature_c"),
    ("temperature_min", "c", "min", "temperature_min_c"),
    ("temperature_max", "c", "max", "temperature_max_c"),
    ("gust_3s_max", "ms", "max", "gust_3s_ms"),
    ("gust_instantaneous_max", "ms", "max", "gust_instantaneous_ms"),
)


def with_windows(hours: str) -> str:
    """SELECT the rows of `hours`, one station's, with the windows that end at each."""
    # By numbers of hours, as dbt does it: ranges of intervals take three times as long.
    named = ", ".join(
        f"last_{n} as (order by hour_number range between {n - 1} preceding and current row)" for n in _HOURS
    )
    before = ", ".join(
        f"before_{n} as (order by hour_number range between {n} preceding and {n} preceding)" for n in (3, 24)
    )
    columns = [_window(aggregate, column, n, name, unit) for n in _HOURS for name, unit, aggregate, column in _WINDOWS]
    columns.append(_window("max", "snow_depth_cm", 24, "snow_depth_max", "cm"))
    columns.append("round(snow_depth_cm - max(snow_depth_cm) over before_24, 1) as snow_depth_change_24h_cm")
    columns.append("round(pressure_hpa - max(pressure_hpa) over before_3, 2) as pressure_tendency_3h_hpa")
    return f"""
        select * exclude (hour_number), {", ".join(columns)}
        from (select *, (epoch(observed_at)::bigint // 3600)::integer as hour_number from {hours})
        window {named}, {before}
    """


def _window(aggregate: str, column: str, hours: int, name: str, unit: str) -> str:
    # Decimals, as dbt has them: a sum in floating point depends on how DuckDB divides the work.
    exact = f"{column}::decimal(18, 2)"
    return (
        f"case when count({column}) over last_{hours} = {hours}"
        f" then round(({aggregate}({exact}) over last_{hours})::double, 2) end as {name}_{hours}h_{unit},"
        f" count({column}) over last_{hours} as {name}_{hours}h_hours"
    )

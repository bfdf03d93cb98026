"""Normals, records and coverage of one département, computed from its official days into Parquet files.

They are made when the département's days change, and shared by all snapshots. Their folder is named by the days they
were made of and by the version of these rules, so equal days give the same folder.

The rules: a month of a mean is whole when at most 10 of its days are missing and fewer than 5 in a row, a month of a
sum when none is (WMO 1203). A year is whole when its twelve months are. A normal has at least 24 of the 30 years.
"""

from collections.abc import Iterable, Sequence

import duckdb

from ingestion.archive.computed import empty_tables, parquet_in, write_tables
from ingestion.archive.day_quantities import DAYS, FIELDS, OTHER_DAYS, OTHER_FIELDS
from ingestion.archive.days_sql import days_sql, official_days_sql
from ingestion.archive.ledger import CLIMATE, ArchiveFile
from ingestion.paths import DataPaths
from ingestion.raw_store import literal

FIRST_YEAR, LAST_YEAR = 1991, 2020
LEAST_YEARS = 24  # of a normal
LEAST_RECORD_YEARS = 20  # whole ones, of a record that deserves the name
MOST_MISSING, MOST_IN_A_ROW = 10, 4  # days of a month of a mean
NEIGHBOURS = 7  # days before and after that count for a day's normal
LEAST_NEIGHBOURS = 12  # of these 15 days, for a year to count

_VERSION = 1  # raised when a rule below changes: the next load of a département computes its climate again
SUMS = (
    *("precipitation_mm", "sunshine_min", "radiation_j_m2", "et0_mm", "et0_grid_mm", "new_snow_cm"),
    *("snow_days", "snow_cover_days", "fog_days", "thunderstorm_days", "hail_days", "black_ice_days"),
    "hoar_frost_days",
)
MAXIMA = ("max_mean_wind_ms", "gust_instantaneous_ms", "gust_3s_ms", "snow_depth_max_cm")
OF_NORMALS = (
    *("precipitation_mm", "temperature_min_c", "temperature_max_c", "temperature_mean_c"),
    *("temperature_midrange_c", "wind_mean_ms"),
    *("sunshine_min", "radiation_j_m2", "et0_mm", "humidity_mean_pct", "sea_level_pressure_mean_hpa"),
)
_RECORDS = {
    "precipitation_mm": ("highest",),
    "temperature_min_c": ("highest", "lowest"),
    "temperature_max_c": ("highest", "lowest"),
    "max_mean_wind_ms": ("highest",),
    "gust_instantaneous_ms": ("highest",),
    "gust_3s_ms": ("highest",),
    "new_snow_cm": ("highest",),
    "snow_depth_max_cm": ("highest",),
}

OF_RECORDS = tuple(_RECORDS)


def write_climate(paths: DataPaths, department: str, files: Sequence[ArchiveFile]) -> str:
    """Compute a département's climate from its files in use; return the folder, relative to the data directory."""
    return write_tables(
        paths, f"climate/{department}", files, _VERSION, CLIMATE, lambda connection: _compute(connection, paths, files)
    )


def empty_climate(paths: DataPaths) -> dict[str, str]:
    """SELECT no row of each table, where no official days were loaded."""
    return empty_tables(CLIMATE, lambda connection: _compute(connection, paths, ()))


def _compute(connection: duckdb.DuckDBPyConnection, paths: DataPaths, files: Sequence[ArchiveFile]) -> None:
    for table, kind in (("days", DAYS), ("other_days", OTHER_DAYS)):
        mine = [file for file in files if file.dataset == table]
        days = days_sql(mine, parquet_in(paths), kind)
        connection.execute(f"create table {table} as {official_days_sql(days, kind)}")
    connection.execute(f"create table months as {all_months_sql('days', 'other_days')}")
    _coverage(connection)
    _normals_monthly(connection)
    _normals_daily(connection)
    _records(connection)


def of_month(quantity: str = "quantity", value: str = "value") -> str:
    """What a month's or a year's value is, as SQL: a sum, a maximum or a mean."""
    return (
        f"case when {quantity} in ({_listed(SUMS)}) then sum({value})"
        f" when {quantity} in ({_listed(MAXIMA)}) then max({value}) else avg({value}) end"
    )


def months_sql(days: str, fields: Iterable[str] = FIELDS) -> str:
    """SELECT every month of each station and quantity in `days`: its days, value, and whether it is whole."""
    names = tuple(fields)
    # The day before with a value, of all quantities in one window: a row for each value first would sort nine times
    # as many rows.
    before = ", ".join(
        f"last_value(case when {name} is not null then observed_date end ignore nulls) over earlier as before_{name}"
        for name in names
    )
    missing = ", ".join(f"observed_date - coalesce(before_{name}, month - 1) - 1" for name in names)
    return f"""
        with dated as (
            select
                station_id, observed_date, date_trunc('month', observed_date)::date as month, {", ".join(names)}
            from {days}
        ),
        present as (
            select station_id, observed_date, month, {", ".join(names)}, {before}
            from dated
            window earlier as (
                partition by station_id, month order by observed_date rows between unbounded preceding and 1 preceding
            )
        ),
        spaced as (
            select station_id, month, observed_date, quantity, value, missing_before
            from (
                select
                    station_id, observed_date, month, unnest([{_listed(names)}]) as quantity,
                    unnest([{", ".join(names)}]) as value, unnest([{missing}]) as missing_before
                from present
            ) as values
            where value is not null
        )
        select
            station_id, quantity, month, count(*) as days,
            day(last_day(month)) - count(*) as missing_days,
            greatest(max(missing_before), last_day(month) - max(observed_date)) as missing_in_a_row,
            {of_month()} as value,
            case
                when quantity in ({_listed(SUMS)}) then missing_days = 0
                else missing_days <= {MOST_MISSING} and missing_in_a_row <= {MOST_IN_A_ROW}
            end as is_whole
        from spaced
        group by station_id, quantity, month
    """


def all_months_sql(days: str, other_days: str) -> str:
    """SELECT the months of both kinds of quantities."""
    return f"select * from ({months_sql(days)}) union all select * from ({months_sql(other_days, OTHER_FIELDS)})"


def _table_of(quantity: str) -> str:
    return "days" if quantity in FIELDS else "other_days"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(literal, names))


def _coverage(connection: duckdb.DuckDBPyConnection) -> None:
    counts = ", ".join(f"count({name}) as {name}_days" for name in FIELDS)
    codes = ", ".join(
        f"sum(len(list_filter(map_values(quality), lambda code: code = {code})))::bigint as quality_{code}_values"
        for code in (0, 2, 9)
    )
    connection.execute(
        f"""
        create table coverage as
        select
            station_id, max_by(station_name, observed_date) as station_name, any_value(department_code)
                as department_code,
            date_trunc('month', observed_date)::date as month, count(*) as days, {counts}, {codes}
        from days
        group by station_id, month
        """
    )


def _normals_monthly(connection: duckdb.DuckDBPyConnection) -> None:
    """Per month and for the year (`month` NULL): of a sum the year's sum, of a mean the mean of its months."""
    connection.execute(
        f"""
        create table normals_monthly as
        with whole as (
            select station_id, quantity, year(month) as year, month(month) as month, value
            from months
            where is_whole and quantity in ({_listed(OF_NORMALS)})
                and year(month) between {FIRST_YEAR} and {LAST_YEAR}
            union all
            select
                station_id, quantity, year(month), null,
                {of_month()}
            from months
            where is_whole and quantity in ({_listed(OF_NORMALS)})
                and year(month) between {FIRST_YEAR} and {LAST_YEAR}
            group by station_id, quantity, year(month)
            having count(*) = 12
        )
        select
            station_id, quantity, month,
            case when quantity in ({_listed(SUMS)}) then 'sum' else 'mean' end as statistic,
            case when count(*) >= {LEAST_YEARS} then round(avg(value), 2) end as normal,
            case when count(*) >= {LEAST_YEARS} then round(stddev_samp(value), 2) end as standard_deviation,
            case when count(*) >= {LEAST_YEARS} then round(min(value), 2) end as lowest,
            case when count(*) >= {LEAST_YEARS} then round(max(value), 2) end as highest,
            count(*) as years, min(year) as first_year, max(year) as last_year,
            count(*) >= {LEAST_YEARS} as is_normal
        from whole
        group by station_id, quantity, month
        """
    )


def _normals_daily(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        """
        create table normals_daily (
            station_id varchar, quantity varchar, month bigint, day bigint, normal double, standard_deviation double,
            p05 double, p10 double, p50 double, p90 double, p95 double, years bigint, first_year bigint,
            last_year bigint, is_normal boolean
        )
        """
    )
    shifts = range(-NEIGHBOURS, NEIGHBOURS + 1)
    for quantity in OF_NORMALS:  # one at a time: each day counts for 15, and all at once would not fit in memory
        # A row for each day with its neighbours' values: copying each value to 15 days takes nearly twice the time.
        around = ", ".join(f"lag(value, {shift}) over by_day" for shift in shifts)
        connection.execute(
            f"""
            insert into normals_daily
            with present as (
                select station_id, observed_date, {quantity} as value
                from {_table_of(quantity)}
                where {quantity} is not null
                    and observed_date between date '{FIRST_YEAR}-01-01' - {NEIGHBOURS}
                        and date '{LAST_YEAR}-12-31' + {NEIGHBOURS}
            ),
            calendar as (
                select
                    station_id,
                    unnest(generate_series(min(observed_date), max(observed_date), interval 1 day))::date
                        as observed_date
                from present
                group by station_id
            ),
            spread as (
                select station_id, observed_date as target, [{around}] as year_values
                from calendar
                left join present using (station_id, observed_date)
                window by_day as (partition by station_id order by observed_date)
            ),
            years as (
                -- 29 February has no normal of its own: its values count for the days around it.
                select
                    station_id, month(target) as month, day(target) as day, count(*) as years,
                    min(year(target)) as first_year, max(year(target)) as last_year,
                    flatten(list(year_values)) as all_values
                from spread
                where year(target) between {FIRST_YEAR} and {LAST_YEAR}
                    and not (month(target) = 2 and day(target) = 29)
                    and list_count(year_values) >= {LEAST_NEIGHBOURS}
                group by station_id, month(target), day(target)
            ),
            told as (
                select
                    *, list_avg(all_values) as mean, list_stddev_samp(all_values) as deviation,
                    list_aggregate(all_values, 'quantile_cont', [0.05, 0.1, 0.5, 0.9, 0.95]) as shares
                from years
            )
            select
                station_id, '{quantity}', month, day,
                case when years >= {LEAST_YEARS} then round(mean, 2) end,
                case when years >= {LEAST_YEARS} then round(deviation, 2) end,
                {", ".join(f"case when years >= {LEAST_YEARS} then round(shares[{n}], 2) end" for n in range(1, 6))},
                years, first_year, last_year, years >= {LEAST_YEARS}
            from told
            """
        )


def _records(connection: duckdb.DuckDBPyConnection) -> None:
    """Per calendar month and for all (`month` NULL); of equal values the first date."""
    parts = " union all ".join(
        f"""
        select
            station_id, '{name}' as quantity, '{kind}' as kind, month,
            {"max" if kind == "highest" else "min"}(value) as value,
            {"max_by" if kind == "highest" else "min_by"}(
                observed_date, {{'value': value, 'first': {"-" if kind == "highest" else ""}epoch_us(observed_date)}}
            ) as observed_date,
            min(year(observed_date)) as first_year, max(year(observed_date)) as last_year
        from (
            select station_id, observed_date, {name} as value, month(observed_date) as month
            from {_table_of(name)}
        ) as days
        where value is not null
        group by grouping sets ((station_id, month), (station_id))
        """
        for name, kinds in _RECORDS.items()
        for kind in kinds
    )
    connection.execute(
        f"""
        create table records as
        with found as ({parts}),
        whole_months as (
            select station_id, quantity, month(month) as month, count(*) as whole_years
            from months where is_whole group by station_id, quantity, month(month)
        ),
        whole_years as (
            select station_id, quantity, count(*) as whole_years
            from (
                select station_id, quantity from months where is_whole
                group by station_id, quantity, year(month) having count(*) = 12
            )
            group by station_id, quantity
        )
        select
            found.station_id, found.quantity, found.kind, found.month, found.value, found.observed_date,
            found.first_year, found.last_year,
            coalesce(whole_months.whole_years, whole_years.whole_years, 0) as whole_years,
            coalesce(whole_months.whole_years, whole_years.whole_years, 0) >= {LEAST_RECORD_YEARS} as is_long
        from found
        left join whole_months
            on found.station_id = whole_months.station_id and found.quantity = whole_months.quantity
            and found.month = whole_months.month
        left join whole_years
            on found.station_id = whole_years.station_id and found.quantity = whole_years.quantity
            and found.month is null
        """
    )

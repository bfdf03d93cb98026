"""Normals and records: the rules by hand, and whole series against an independent computation in polars."""

import calendar
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from archive_files import Archive, days_of, row_of, text_of

from ingestion.archive.climate import MAXIMA, OF_NORMALS, SUMS, months_sql
from ingestion.archive.computed import parquet_in
from ingestion.archive.day_quantities import FIELDS
from ingestion.archive.days_sql import days_sql, official_days_sql
from ingestion.archive.ledger import read_ledger
from ingestion.archive.load import given_by_hand, load_file
from ingestion.demo.archive import days_file
from ingestion.paths import DataPaths

pytestmark = pytest.mark.xdist_group("thirty-years")

QUANTITIES = [name for name in OF_NORMALS if name in FIELDS]
NAME = "Q_09_previous-1950-2024_RR-T-Vent.csv"
AT = datetime(2025, 1, 1, tzinfo=UTC)


def climate(paths: DataPaths, table: str, department: str = "9") -> pl.DataFrame:
    return pl.read_parquet(paths.root / read_ledger(paths).climate[department] / f"{table}.parquet")


def ask(paths: DataPaths, sql: str) -> list[Any]:
    folder = paths.root / read_ledger(paths).climate["9"]
    for table in ("normals_monthly", "normals_daily", "records", "coverage"):
        sql = sql.replace(f"from {table}", f"from read_parquet('{folder}/{table}.parquet')")
    return duckdb.sql(sql).fetchall()


def julys(years: range, **values: object) -> list[dict[str, object]]:
    return [row for year in years for row in days_of(date(year, 7, 1), 31, **values)]


def test_nothing_is_normal_under_24_years(archive: Archive) -> None:
    archive.load(NAME, text_of(julys(range(1991, 2014), TX="25.0")), AT)
    found = "select normal, years, first_year, last_year, is_normal from {} where quantity = 'temperature_max_c'"
    assert ask(archive.paths, found.format("normals_monthly")) == [(None, 23, 1991, 2013, False)]
    archive.load(
        NAME, text_of(julys(range(1991, 2014), TX="25.0") + julys(range(2014, 2015), TX="49.0")), AT.replace(day=2)
    )
    assert ask(archive.paths, found.format("normals_monthly")) == [(26.0, 24, 1991, 2014, True)]  # (23 * 25 + 49) / 24
    assert ask(archive.paths, found.format("normals_daily") + " and day = 15") == [(26.0, 24, 1991, 2014, True)]


def test_a_day_has_a_normal_where_twelve_days_around_it_have_values(archive: Archive) -> None:
    """The 15th is missing each year. Seven days around the 4th and the 28th of July leave eleven in July."""
    rows = [row for row in julys(range(1991, 2015), TX="25.0") if not str(row["AAAAMMJJ"]).endswith("0715")]
    archive.load(NAME, text_of(rows), AT)
    found = ask(archive.paths, "select day, normal, years from normals_daily where quantity = 'temperature_max_c'")
    assert sorted(found) == [(day, 25.0, 24) for day in range(5, 28)]


@pytest.mark.parametrize(
    ("missing", "of_mean", "of_sum"),
    [
        ([], 24, 24),
        ([5], 24, 23),  # a sum needs every day
        ([1, 2, 3, 4], 24, 23),
        ([28, 29, 30, 31], 24, 23),
        ([1, 2, 3, 4, 5], 23, 23),  # five in a row, at the beginning, in the middle or at the end
        ([14, 15, 16, 17, 18], 23, 23),
        ([27, 28, 29, 30, 31], 23, 23),
        ([1, 3, 5, 7, 9, 11, 13, 15, 17, 19], 24, 23),
        ([1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21], 23, 23),  # eleven
    ],
)
def test_a_month_counts_when_it_is_whole(archive: Archive, missing: list[int], of_mean: int, of_sum: int) -> None:
    rows = julys(range(1991, 2014), TX="25.0", RR="1.0")
    rows += [
        row for row in julys(range(2014, 2015), TX="25.0", RR="1.0") if int(str(row["AAAAMMJJ"])[6:]) not in missing
    ]
    archive.load(NAME, text_of(rows), AT)
    assert ask(archive.paths, "select quantity, years from normals_monthly order by all") == [
        ("precipitation_mm", of_sum),
        ("temperature_max_c", of_mean),
    ]


def test_a_sum_is_the_months_rain_and_the_year_is_the_sum_of_months(archive: Archive) -> None:
    rows = days_of(date(1991, 1, 1), (date(2021, 1, 1) - date(1991, 1, 1)).days, RR="1.0")
    archive.load(NAME, text_of(rows), AT)
    found = dict(ask(archive.paths, "select month, normal from normals_monthly"))
    assert (found[1], found[4]) == (31.0, 30.0)
    assert found[2] == 28.27  # 22 years of 28 days and 8 of 29
    assert found[None] == 365.27


def test_records_tell_the_first_date_and_how_long_the_series_is(archive: Archive) -> None:
    rows = days_of(date(2001, 1, 1), (date(2021, 1, 1) - date(2001, 1, 1)).days, TX="10.0", TN="0.0")
    special = {
        "20030812": ("TX", "41.5"),
        "20190725": ("TX", "41.5"),
        "20120209": ("TN", "-12.3"),
        "20120210": ("TX", "-4.0"),
    }
    for row in rows:
        if told := special.get(str(row["AAAAMMJJ"])):
            row[told[0]] = told[1]
    rows.append(row_of(date(2000, 8, 1), TX="45.0", QTX=2, TN="0.0"))  # doubtful: no record
    archive.load(NAME, text_of(rows), AT)
    assert ask(
        archive.paths,
        "select quantity, kind, month, value, observed_date::varchar, first_year, last_year, whole_years, is_long"
        " from records where month is null or month = 8 and kind = 'highest' order by 1, 2, 3 nulls last",
    ) == [
        ("temperature_max_c", "highest", 8, 41.5, "2003-08-12", 2001, 2020, 20, True),
        ("temperature_max_c", "highest", None, 41.5, "2003-08-12", 2001, 2020, 20, True),
        ("temperature_max_c", "lowest", None, -4.0, "2012-02-10", 2001, 2020, 20, True),
        ("temperature_min_c", "highest", 8, 0.0, "2000-08-01", 2000, 2020, 20, True),
        ("temperature_min_c", "highest", None, 0.0, "2000-08-01", 2000, 2020, 20, True),
        ("temperature_min_c", "lowest", None, -12.3, "2012-02-09", 2000, 2020, 20, True),
    ]


def test_the_29th_of_february_counts_for_the_days_around_it(archive: Archive) -> None:
    leap_days = {date(year, 2, 29): 30.0 for year in range(1992, 2021, 4)}
    days = [date(1991, 1, 1) + timedelta(days=n) for n in range((date(2021, 1, 1) - date(1991, 1, 1)).days)]
    archive.load(NAME, text_of([row_of(day, TX=leap_days.get(day, 0.0)) for day in days]), AT)
    found = {(m, d): n for m, d, n in ask(archive.paths, "select month, day, normal from normals_daily")}
    assert len(found) == 365
    # 8 leap days of 30 °C among 30 years of 15 days: 240 / 450
    assert [found[2, 21], found[2, 22], found[3, 7], found[3, 8]] == [0.0, 0.53, 0.53, 0.0]


@pytest.fixture(scope="module")
def thirty_years(tmp_path_factory: pytest.TempPathFactory) -> tuple[DataPaths, pl.DataFrame]:
    """Load the demo's days of thirty years, with holes of one to nine days; give them as polars reads them."""
    folder = tmp_path_factory.mktemp("thirty-years")
    lines = days_file("9", range(1990, 2022), date(2026, 1, 1)).decode().splitlines(keepends=True)
    kept = [line for n, line in enumerate(lines[1:]) if n % 61 and n % 1009 > n % 10]
    file = folder / "Q_09_previous-1950-2024_RR-T-Vent.csv"
    file.write_text("".join([lines[0], *kept]))
    paths = DataPaths(folder / "data")
    load_file(paths, file, given_by_hand(file), "demo")
    columns = {FIELDS[name]: name for name in QUANTITIES}
    types = {"NUM_POSTE": pl.String, "AAAAMMJJ": pl.String, **dict.fromkeys(columns, pl.Float64)}
    frame = pl.read_csv(file, separator=";", schema_overrides=types)
    frame = frame.select("NUM_POSTE", pl.col("AAAAMMJJ").str.to_date("%Y%m%d").alias("date"), *columns).rename(columns)
    return paths, frame


def is_whole(quantity: str, year: int, month: int, days: set[int]) -> bool:
    present = [day in days for day in range(1, calendar.monthrange(year, month)[1] + 1)]
    if quantity == "precipitation_mm":
        return all(present)
    runs = "".join("x" if here else "." for here in present).split("x")
    return present.count(False) <= 10 and max(map(len, runs)) < 5


def test_monthly_normals_equal_those_of_polars(thirty_years: tuple[DataPaths, pl.DataFrame]) -> None:
    """Each month, and the year: of rain the sum of its months, of all else their mean, where all twelve are whole."""
    paths, frame = thirty_years
    checked = set()
    for quantity in QUANTITIES:
        yearly: dict[tuple[str, int], list[float]] = {}
        normals: dict[tuple[str, int | None], list[float]] = {}
        valued = frame.filter(pl.col(quantity).is_not_null(), pl.col("date").dt.year().is_between(1991, 2020))
        months = valued.group_by(
            "NUM_POSTE", pl.col("date").dt.year().alias("year"), pl.col("date").dt.month().alias("month")
        )
        is_sum = quantity == "precipitation_mm"
        for (post, year, month), group in months:
            days = {day.day for day in group["date"]}
            if is_whole(quantity, year, month, days):
                value = group[quantity].sum() if is_sum else group[quantity].mean()
                normals.setdefault((post, month), []).append(value)
                yearly.setdefault((post, year), []).append(value)
        for (post, _), values in yearly.items():
            if len(values) == 12:
                normals.setdefault((post, None), []).append(sum(values) if is_sum else sum(values) / 12)
        ours = climate(paths, "normals_monthly").filter(pl.col("quantity") == quantity)
        rows = {(r["station_id"], r["month"]): r for r in ours.iter_rows(named=True)}
        assert rows.keys() == normals.keys()
        for key, values in normals.items():
            row, told = rows[key], pl.Series(values)
            assert (row["years"], row["is_normal"]) == (len(values), len(values) >= 24)
            assert row["statistic"] == ("sum" if is_sum else "mean")
            expected = {
                "normal": told.mean(), "standard_deviation": told.std(), "lowest": told.min(), "highest": told.max()
            }  # fmt: skip
            for name, value in expected.items():
                assert row[name] == (pytest.approx(value, abs=0.0051) if len(values) >= 24 else None), (key, name)
            checked.add((quantity, row["is_normal"], key[1] is None))
    # Rain has no whole years: each has a hole.
    assert checked >= {(quantity, True, False) for quantity in QUANTITIES if quantity != "precipitation_mm"}
    assert ("temperature_max_c", True, True) in checked


def around(series: dict[date, float], month: int, day: int) -> tuple[list[float], int]:
    """The values within 7 days of a calendar day in 1991 to 2020, and the years that have at least 12 of the 15."""
    values: list[float] = []
    years = 0
    for year in range(1991, 2021):
        near = [date(year, month, day) + timedelta(days=n) for n in range(-7, 8)]
        found = [series[other] for other in near if other in series]
        if len(found) >= 12:
            years += 1
            values += found
    return values, years


def check_daily(row: dict[str, Any], values: list[float], years: int) -> None:
    told = pl.Series(values)
    assert (row["years"], row["is_normal"]) == (years, years >= 24)
    expected = {"normal": told.mean(), "standard_deviation": told.std()}
    expected |= {f"p{share:02}": told.quantile(share / 100, "linear") for share in (5, 10, 50, 90, 95)}
    for name, value in expected.items():
        assert row[name] == (pytest.approx(value, abs=0.0051) if years >= 24 else None), (row, name)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_daily_normals_and_percentiles_equal_those_of_polars(
    thirty_years: tuple[DataPaths, pl.DataFrame], quantity: str
) -> None:
    paths, frame = thirty_years
    ours = climate(paths, "normals_daily").filter(pl.col("station_id") == "09289001", pl.col("quantity") == quantity)
    valued = frame.filter(pl.col("NUM_POSTE") == "09289001", pl.col(quantity).is_not_null())
    series = dict(valued.select("date", quantity).iter_rows())
    for month, day in ((1, 1), (2, 22), (2, 28), (3, 1), (3, 7), (7, 14), (12, 31)):
        (row,) = ours.filter(pl.col("month") == month, pl.col("day") == day).iter_rows(named=True)
        check_daily(row, *around(series, month, day))
    assert ours.filter(pl.col("month") == 2, pl.col("day") == 29).is_empty()


def test_daily_normals_of_real_days_equal_those_of_polars(paths: DataPaths, real_file: Callable[[str], Path]) -> None:
    """The real days of one January, in each of 26 years, warmer by 0.1 °C a year, as there is no longer real file."""
    file = real_file("Q_75_latest-2023-2024_RR-T-Vent_2023-01_excerpt.csv")
    one = pl.read_csv(file, separator=";", infer_schema=False)
    years = [
        one.with_columns(
            (pl.lit(str(year)) + pl.col("AAAAMMJJ").str.slice(4)).alias("AAAAMMJJ"),
            *((pl.col(name).cast(pl.Float64) + (year - 1991) / 10).round(1).alias(name) for name in ("TN", "TX")),
        )
        for year in range(1991, 2017)
    ]
    many = paths.root.parent / "Q_75_previous-1950-2022_RR-T-Vent.csv"
    pl.concat(years).write_csv(many, separator=";")
    load_file(paths, many, given_by_hand(many), "meteofrance")
    frame = pl.concat(years).with_columns(
        pl.col("NUM_POSTE").str.strip_chars(), pl.col("AAAAMMJJ").str.to_date("%Y%m%d").alias("date")
    )
    ours = climate(paths, "normals_daily", "75").filter(pl.col("month") == 1, pl.col("day").is_in([8, 12, 18]))
    rows = {(r["station_id"], r["quantity"], r["day"]): r for r in ours.iter_rows(named=True)}
    checked = set()
    for quantity in QUANTITIES:
        code = FIELDS[quantity]
        valued = frame.filter(pl.col(code).is_not_null(), pl.col(f"Q{code}") != "2")
        for (post,), group in valued.group_by("NUM_POSTE"):
            series = dict(group.select("date", pl.col(code).cast(pl.Float64)).iter_rows())
            for day in (8, 12, 18):
                values, counted = around(series, 1, day)
                row = rows.pop((str(post), quantity, day), None)
                assert (row is None) == (counted == 0)
                if row:
                    check_daily(row, values, counted)
                    checked.add(quantity)
    assert rows == {}
    assert checked == set(QUANTITIES)


def check_records(ours: pl.DataFrame, frame: pl.DataFrame) -> None:
    checked = 0
    for row in ours.iter_rows(named=True):
        found = frame.filter(pl.col("NUM_POSTE") == row["station_id"], pl.col(row["quantity"]).is_not_null())
        if row["month"] is not None:
            found = found.filter(pl.col("date").dt.month() == row["month"])
        best = found[row["quantity"]].max() if row["kind"] == "highest" else found[row["quantity"]].min()
        assert row["value"] == best
        assert row["observed_date"] == found.filter(pl.col(row["quantity"]) == best)["date"].min()
        checked += 1
    assert checked


def test_records_equal_those_of_polars(thirty_years: tuple[DataPaths, pl.DataFrame]) -> None:
    paths, frame = thirty_years
    check_records(climate(paths, "records").filter(pl.col("station_id") < "09095"), frame)


def test_records_of_a_real_excerpt_equal_those_of_polars(paths: DataPaths, real_file: Callable[[str], Path]) -> None:
    file = real_file("Q_75_latest-2023-2024_RR-T-Vent_2023-01_excerpt.csv")
    load_file(paths, file, given_by_hand(file), "meteofrance")
    frame = pl.read_csv(file, separator=";", schema_overrides={"NUM_POSTE": pl.String, "AAAAMMJJ": pl.String})
    columns = {
        "RR": "precipitation_mm", "TN": "temperature_min_c", "TX": "temperature_max_c", "FXY": "max_mean_wind_ms",
        "FXI": "gust_instantaneous_ms", "FXI3S": "gust_3s_ms",
    }  # fmt: skip
    assert not [1 for name in columns if (frame[f"Q{name}"] == 2).any()]
    frame = frame.select(
        pl.col("NUM_POSTE").str.strip_chars(), pl.col("AAAAMMJJ").str.to_date("%Y%m%d").alias("date"), *columns
    ).rename(columns)
    ours = climate(paths, "records", "75")
    assert set(ours["station_id"]) == set(frame["NUM_POSTE"])
    assert not ours["is_long"].any()  # 25 days are no series
    check_records(ours, frame)
    # 25 days of January: six are missing, all in a row, so not even one month counts.
    assert climate(paths, "normals_monthly", "75").is_empty()


def test_months_of_a_real_excerpt_equal_those_of_polars(paths: DataPaths, real_file: Callable[[str], Path]) -> None:
    file = real_file("Q_75_latest-2023-2024_RR-T-Vent_2023-01_excerpt.csv")
    load_file(paths, file, given_by_hand(file), "meteofrance")
    days = official_days_sql(days_sql(read_ledger(paths).in_use(), parquet_in(paths)))
    found = duckdb.sql(f"select station_id, quantity, value, days, missing_days from ({months_sql(f'({days})')})")
    ours = {(post, quantity): told for post, quantity, *told in found.fetchall()}
    frame = pl.read_csv(file, separator=";", schema_overrides={"NUM_POSTE": pl.String})
    frame = frame.with_columns(pl.col("NUM_POSTE").str.strip_chars())
    for quantity, code in FIELDS.items():
        valid = frame.filter(pl.col(code).is_not_null(), pl.col(f"Q{code}") != 2)
        for (post,), group in valid.group_by("NUM_POSTE"):
            values = group[code]
            expected = values.sum() if quantity in SUMS else values.max() if quantity in MAXIMA else values.mean()
            value, present, missing = ours.pop((str(post), quantity))
            assert value == pytest.approx(expected, abs=0.0051), (post, quantity)
            assert (present, missing) == (group.height, 31 - group.height)
    assert ours == {}

from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from ingestion.demo.stations import DEMO_STATIONS
from ingestion.demo.weather import weather_between

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)

NEVER = {
    "the temperature leaves the hour's extremes": "not t between tn and tx",
    "the humidity leaves the hour's extremes": "not u between un and ux or ux > 100 or un < 0",
    "the dew point exceeds the temperature": "td > t",
    "the dew point contradicts the humidity": """
        abs(100 * exp(17.62 * (td - 273.15) / (td - 30.03)) / exp(17.62 * (t - 273.15) / (t - 30.03)) - u) > 1.5""",
    "the mean wind exceeds the highest mean": "ff > fxy",
    "the highest mean exceeds the gust": "fxy > raf",
    "calm has a direction, or wind has none": "(ff = 0) <> (dd = 0)",
    "a direction is not in tens of degrees up to 360": "dd not between 0 and 360 or dd % 10 <> 0 or dxy % 10 <> 0",
    "an amount of rain is neither a trace nor a multiple of 0.2": "rr1 <> -0.1 and round(rr1 * 10) % 2 <> 0",
    "the sun shines more than an hour, or at night": "insolh > 60 or insolh < 0 or (insolh > 0 and ray_glo01 = 0)",
    "radiation is negative or exceeds the solar constant": "ray_glo01 not between 0 and 1361 * 3600",
    "cloud cover is out of scale": "n not between 0 and 9 or n % 1 <> 0",
    "it rains from a clear sky": "rr1 > 0 and n < 6",
    "visibility is out of scale": "vv not between 10 and 60000 or vv % 10 <> 0",
    "the ground is dry while it rains": "rr1 > 0 and etat_sol = 0",
    "the ground code is out of scale": "etat_sol not between 0 and 9",
    "snow is not in centimetres": "sss < 0 or abs(sss * 100 - round(sss * 100)) > 1e-9",
    "snow lies in the tropics": "sss > 0 and abs(lat) < 25",
    "pressure contradicts the altitude": """
        abs(pres - pmer * exp(-9.81 * altitude / (287 * (t + 0.00325 * altitude)))) > 150""",
    "pressure is beyond any record": "pmer not between 90000 and 108000 or pmer % 10 <> 0 or pres % 10 <> 0",
    "the temperature is beyond any record": "t not between 203.15 and 323.15",
    "a temperature is not in tenths of a degree": "abs(t * 20 - round(t * 20)) > 1e-6",
    "the mean wind is beyond any record": "ff > 45 or raf > 70",
}


@pytest.fixture(scope="module")
def con() -> duckdb.DuckDBPyConnection:
    """`year`: every hour of 2026 for forty stations; `day`: one day of all of them."""
    con = duckdb.connect()
    sample = [station.station_id for station in DEMO_STATIONS if station.wmo_id][::7]
    sample += [station.station_id for station in DEMO_STATIONS if station.department == "9"]
    year = weather_between(con, START, START + 365 * DAY, station_ids=sample)
    con.execute(
        "create table year as select y.*, s.altitude from year as y, demo.stations as s where id_station = geo_id_insee"
    )
    day = weather_between(con, START + 100 * DAY, START + 101 * DAY)
    con.execute("create table day as select * from day")
    del year, day
    return con


@pytest.mark.parametrize("condition", NEVER.values(), ids=NEVER)
def test_never(con, condition):
    assert con.sql(f"select * from year where {condition} limit 3").fetchall() == []


def test_every_field_is_measured_somewhere_in_the_year(con):
    for column in con.sql("select * exclude (altitude) from year").columns:
        assert con.sql(f"select count(distinct {column}) from year").fetchone()[0] > 2, column


def test_a_row_per_station_and_hour(con):
    rows, keys = con.sql("select count(*), count(distinct (geo_id_insee, validity_time)) from day").fetchone()
    assert rows == keys == 24 * len(DEMO_STATIONS)


def test_summer_is_warm_in_the_north_and_cold_in_the_south(con):
    query = """
        select avg(t) filter (month(validity_time) = 7) - avg(t) filter (month(validity_time) = 1)
        from year where lat between ? and ?"""
    assert 10 < con.execute(query, [42, 51]).fetchone()[0] < 25
    assert -12 < con.execute(query, [-25, -10]).fetchone()[0] < 0


def test_it_is_cooler_higher_up(con):
    low, high = con.sql("""
        select avg(t) filter (altitude < 400), avg(t) filter (altitude > 1700)
        from year where geo_id_insee[:2] = '09'""").fetchone()
    assert 5 < low - high < 15


def test_afternoons_are_warmer_than_nights_by_the_local_sun(con):
    warmest = con.sql("""
        select hour(validity_time) as hour from year
        where lat between 42 and 51 and month(validity_time) = 7 group by hour order by avg(t) desc limit 1""")
    assert 13 <= warmest.fetchone()[0] <= 17


def test_snow_lies_in_the_mountains_in_winter_and_changes_slowly(con):
    winter, summer, fastest = con.sql("""
        with port_d_aula as (
            select *, abs(sss - lag(sss) over (order by validity_time)) as change
            from year where geo_id_insee = '09285400'
        )
        select
            avg(sss) filter (month(validity_time) in (1, 2)), max(sss) filter (month(validity_time) = 8), max(change)
        from port_d_aula""").fetchone()
    assert winter > 0.3
    assert summer == 0
    assert fastest < 0.025


def test_fronts_cover_neighbours_together(con):
    near, far = con.sql("""
        with pairs as (
            select validity_time, any_value(rr1) filter (geo_id_insee = '09289001') as here,
                any_value(rr1) filter (geo_id_insee = '09099001') as near,
                any_value(rr1) filter (geo_id_insee[:2] = '29') as far
            from year group by all
        )
        select corr((here > 0)::int, (near > 0)::int), coalesce(corr((here > 0)::int, (far > 0)::int), 0) from pairs
        """).fetchone()
    assert near > 0.6
    assert abs(far) < near / 2


def test_rain_comes_with_low_pressure(con):
    wet, dry = con.sql("""
        select avg(pmer) filter (rr1 > 0), avg(pmer) filter (rr1 = 0) from year where lat between 42 and 51
        """).fetchone()
    assert wet < dry - 500


@pytest.mark.parametrize(
    ("share_of", "low", "high"),
    [
        ("rr1 = -0.1", 0.01, 0.03),
        ("rr1 > 0", 0.06, 0.18),
        ("ff = 0", 0.01, 0.08),
        ("n = 9", 0.0002, 0.03),
        ("t is null", 0.001, 0.08),
    ],
)
def test_shares_of_the_year(con, share_of, low, high):
    assert low < con.sql(f"select avg(({share_of})::int) from year").fetchone()[0] < high


@pytest.mark.parametrize(
    ("column", "low", "high"),
    [("t", 0.01, 0.05), ("rr1", 0.01, 0.06), ("u", 0.55, 0.65), ("ff", 0.55, 0.65)]
    + [(column, 0.85, 0.97) for column in ("t_10", "t_100", "vv", "etat_sol", "sss", "n", "insolh", "pres")],
)
def test_stations_lack_sensors_as_the_real_network_does(con, column, low, high):
    assert low < con.sql(f"select avg(({column} is null)::int) from day").fetchone()[0] < high


def test_a_year_of_rain_is_plausible(con):
    lowest, highest = con.sql("""
        with yearly as (
            select sum(greatest(rr1, 0)) as total from year where lat between 42 and 51 and rr1 is not null
            group by geo_id_insee having count(rr1) > 8000
        )
        select min(total), max(total) from yearly""").fetchone()
    assert 300 < lowest < highest < 2_500


def test_a_row_does_not_depend_on_what_is_asked_with_it(con):
    instant = START + 100 * DAY + timedelta(hours=7)
    alone = weather_between(con, instant, instant + timedelta(hours=1), station_ids=["09289001"])
    with_others = con.sql("select * from day where geo_id_insee = '09289001' and hour(validity_time) = 7")
    by_department = weather_between(con, instant, instant + timedelta(minutes=1), department="9")
    assert alone.fetchall() == with_others.fetchall()
    assert with_others.fetchone() in by_department.fetchall()


def test_the_weather_is_the_same_on_every_machine_and_duckdb(con):
    # A change here changes every demo warehouse: make it knowingly.
    instant = datetime(2026, 2, 14, 13, tzinfo=UTC)
    row = weather_between(con, instant, instant + timedelta(hours=1), station_ids=["09289001"])
    assert row.fetchone()[4:] == (
        *(283.15, 281.75, 283.25, 282.75, 91.0, 93.0, 89.0, 20.0, 1.3, 10.0, 2.0, 30.0, 2.9, 0.2),
        *(281.75, 280.85, 281.35, None, 14830.0, 1.0, 0.0, 7.0, 0.0, 1040000.0, 96780.0, 101710.0),
    )


def test_ids_and_codes_are_checked_before_they_reach_sql(con):
    with pytest.raises(ValueError, match="digits only"):
        weather_between(con, START, START + DAY, station_ids=["' or true --"])
    with pytest.raises(ValueError, match="no leading zero"):
        weather_between(con, START, START + DAY, department="09")

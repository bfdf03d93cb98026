"""Sums since a day, worked out by hand: rain, degree days, chill hours, evapotranspiration after FAO-56."""

import csv
import io
import math
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import httpx
import pyarrow.parquet as pq
import pytest
from problems import assert_problem

from api.schemas import answers
from api.warehouse.question.daily_values import DailyValues, Question, chill_hours, et0, sunshine
from api.warehouse.question.evapotranspiration import extraterrestrial, hargreaves, penman_monteith

pytestmark = pytest.mark.xdist_group("warehouse")


def total(http: httpx.Client, station: str, query: str) -> dict[str, Any]:
    answer = http.get(f"/climate/{station}/accumulate?{query}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    answers.AccumulatedAnswer.model_validate(body)
    (row,) = body["data"]
    return {**body, **row}


def test_rain_since_a_day_and_its_normal(http: httpx.Client) -> None:
    """1 mm a day: 92 days from May to July. From 1 January to 1 March the 8 leap years have one more."""
    found = total(http, "09289001", "quantity=rain&since=2020-05-01&until=2020-07-31")
    assert (found["sum"], found["days"], found["missing_days"], found["is_whole"]) == (92.0, 92, 0, True)
    assert (found["normal"], found["departure"], found["percent_of_normal"], found["years"]) == (92.0, 0.0, 100.0, 30)
    leap = total(http, "09289001", "quantity=rain&since=2020-01-01&until=2020-03-01")
    assert (leap["sum"], leap["normal"], leap["rank"], leap["unit"]) == (61.0, 60.27, 1, "mm")
    # New Year's Eve to New Year: the span of 1990 is not there.
    winter = total(http, "09289001", "quantity=rain&since=2019-12-31&until=2020-01-02")
    assert (winter["sum"], winter["first_year"], winter["years"]) == (3.0, 1991, 29)
    assert "message" not in leap


def test_a_hole_is_told_and_has_no_place_among_whole_years(http: httpx.Client) -> None:
    """April 2026 of ROUSSET: the 20th is missing, 0.2 mm on each of the 9 other days from the 16th to the 25th."""
    found = total(http, "Rousset", "quantity=rain&since=2026-04-16")
    assert (found["sum"], found["days"], found["missing_days"], found["until"]) == (1.8, 9, 1, "2026-04-25")
    assert (found["is_whole"], found["departure"], found["rank"], found["normal"]) == (False, None, None, None)
    assert found["message"] == "1 of 10 days are missing, 1 in a row at most: the sum is that of the others"
    assert found["also_known_as"] == [{"station_id": "05127001", "until": "2026-04-15"}]
    longer = total(http, "Rousset", "quantity=rain&since=2026-04-10&until=2026-04-30")
    # Six days before the first and five after the last.
    assert (longer["sum"], longer["missing_days"], longer["missing_in_a_row"]) == (1.8, 12, 6)
    nothing = total(http, "Rousset", "quantity=rain&since=2027-01-01")
    assert (nothing["sum"], nothing["days"], nothing["missing_days"]) == (None, 0, 1)
    assert nothing["message"] == "no day of 04033001 from 2027-01-01 to 2027-01-01 has this quantity"


@pytest.mark.parametrize(
    ("query", "expected", "base"),
    [
        ("degree_days", 85.5, 18.0),  # 18 - (4.5 + 12.5) / 2 = 9.5 on each of 9 days
        ("degree_days&base=16", 67.5, 16.0),
        ("degree_days&base=8", 0.0, 8.0),
        ("growing_degree_days", 0.0, 10.0),
        ("growing_degree_days&base=5", 31.5, 5.0),  # 3.5
        ("growing_degree_days&base=-2", 94.5, -2.0),
    ],
)
def test_degree_days_are_of_half_of_minimum_plus_maximum(
    http: httpx.Client, query: str, expected: float, base: float
) -> None:
    found = total(http, "04033001", f"since=2026-04-16&quantity={query}")
    assert (found["sum"], found["base"], found["unit"], found["days"]) == (expected, base, "°C d", 9)


def test_a_day_without_minimum_has_no_degree_days(http: httpx.Client) -> None:
    found = total(http, "09289001", "quantity=degree_days&since=2020-01-01&until=2020-01-31")
    assert (found["sum"], found["days"], found["missing_days"]) == (None, 0, 31)


def test_the_sum_so_far_day_by_day(http: httpx.Client) -> None:
    url = "/climate/04033001/accumulate?quantity=rain&since=2026-04-18&until=2026-04-22&resolution=day"
    rows = http.get(url).json()["data"]
    assert [(r["observed_date"][8:], r["value"], r["sum"], r["missing_days"]) for r in rows] == [
        ("18", 0.2, 0.2, 0),
        ("19", 0.2, 0.4, 0),
        ("20", None, 0.4, 1),
        ("21", 0.2, 0.6, 1),
        ("22", 0.2, 0.8, 1),
    ]
    first = http.get(f"{url}&limit=3").json()
    rest = http.get(f"{url}&limit=3&cursor={first['next']}").json()
    assert (first["data"] + rest["data"], rest["next"]) == (rows, None)
    assert pq.read_table(io.BytesIO(http.get(f"{url}&format=parquet").content))["sum"].to_pylist()[-1] == 0.8
    text = http.get("/climate/04033001/accumulate?quantity=rain&since=2026-04-16&format=csv").text
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["sum"], row["missing_days"], row["is_whole"], row["normal"]) == ("1.8", "1", "false", "")


def test_chill_hours_of_served_hours(http: httpx.Client, in_file: Callable[..., list[Any]]) -> None:
    ((cold, hours),) = in_file(
        "select count(*) filter (temperature_c < 7.2), count(temperature_c) from marts.hourly_observations"
        " where station_id = '09289001' and observed_at > timestamptz '2026-11-19 00:00:00Z'"
        " and observed_at <= timestamptz '2026-11-20 00:00:00Z'"
    )
    assert hours == 24
    assert cold
    found = total(http, "09289001", "quantity=chill_hours&since=2026-11-19")
    assert (found["sum"], found["days"], found["until"], found["base"]) == (cold, 1, "2026-11-19", 7.2)


def test_evapotranspiration_without_radiation_is_that_of_hargreaves(http: httpx.Client) -> None:
    """FAO-56 equations 21 to 25 and 52 in Python, for 43.005333° N and the days from 16 to 25 April but the 20th."""
    expected = 0.0
    for day in [106, 107, 108, 109, 111, 112, 113, 114, 115]:
        turn = 2 * math.pi * day / 365
        phi, delta = math.radians(43.00533), 0.409 * math.sin(turn - 1.39)
        sunset = math.acos(-math.tan(phi) * math.tan(delta))
        light = sunset * math.sin(phi) * math.sin(delta) + math.cos(phi) * math.cos(delta) * math.sin(sunset)
        radiation = 24 * 60 / math.pi * 0.0820 * (1 + 0.033 * math.cos(turn)) * light
        expected += 0.0023 * (8.5 + 17.8) * math.sqrt(8) * 0.408 * radiation
    found = total(http, "04033001", "quantity=et0&since=2026-04-16")
    assert found["sum"] == pytest.approx(expected, abs=0.01)
    assert (found["days"], found["missing_days"], found["days_by_method"]) == (9, 1, {"hargreaves": 9})
    assert found["normal"] is None
    rows = http.get("/climate/04033001/accumulate?quantity=et0&since=2026-04-19&until=2026-04-20&resolution=day")
    assert [row["method"] for row in rows.json()["data"]] == ["hargreaves", None]


def ask(expression: str, **values: float | str) -> float:
    columns = ", ".join(f"{v!r}::{'date' if isinstance(v, str) else 'double'} as {name}" for name, v in values.items())
    row = duckdb.sql(f"select {expression} from (select {columns}) as d").fetchone()
    assert row is not None
    return float(row[0])


def penman(**values: float | str) -> float:
    return ask(penman_monteith("d.day", "d.low", "d.high", "d.vapour", "d.wind", "d.radiation", "d"), **values)


def test_fao_56s_own_examples() -> None:
    uccle = {"day": "2015-07-06", "low": 12.3, "high": 21.5, "latitude": 50.8, "altitude_m": 100}
    # Example 18: wind of 10 km/h at 10 m.
    assert round(penman(**uccle, vapour=1.409, wind=10 / 3.6, radiation=22.07), 1) == 3.9
    lyon = {"day": "2015-07-15", "low": 14.8, "high": 26.6, "latitude": 45 + 43 / 60}
    assert round(ask(hargreaves("d.day", "d.low", "d.high", "d"), **lyon), 1) == 5.0  # example 20
    assert round(ask(extraterrestrial("d.day", "d"), day="2015-09-03", latitude=-20), 1) == 32.2  # example 8


def real_days(real_file: Callable[[str], Path]) -> Iterator[dict[str, str]]:
    others, plain = (
        real_file(f"Q_01_latest-2023-2024_{name}_3rows.csv").read_text().splitlines()
        for name in ("autres-parametres", "RR-T-Vent")
    )
    for one, other in zip(csv.DictReader(others, delimiter=";"), csv.DictReader(plain, delimiter=";"), strict=True):
        if one["ETPMON"]:
            yield other | one
    ordered = real_file("dpclim_quotidienne_76116001_2024-06-15.csv").read_text().replace(",", ".").splitlines()
    for row in csv.DictReader(ordered, delimiter=";"):
        yield row | {"AAAAMMJJ": row["DATE"], "LAT": "49.383", "ALTI": "151"}  # ROUEN-BOOS


def test_official_evapotranspiration_is_near(real_file: Callable[[str], Path]) -> None:
    """Météo-France's ETPMON has a formula of its own: within 0.4 mm on these four days, and 0.1 mm on the whole."""
    differences = []
    for row in real_days(real_file):
        low, high, vapour, wind, light = (float(row[name]) for name in ("TN", "TX", "TSVM", "FFM", "GLOT"))
        ours = penman(
            day=f"{row['AAAAMMJJ'][:4]}-{row['AAAAMMJJ'][4:6]}-{row['AAAAMMJJ'][6:]}",
            low=low,
            high=high,
            vapour=vapour / 10,
            wind=wind,
            radiation=light / 100,
            latitude=float(row["LAT"]),
            altitude_m=float(row["ALTI"]),
        )
        differences.append(ours - float(row["ETPMON"]))
    assert len(differences) == 4
    assert max(map(abs, differences)) < 0.4
    assert abs(sum(differences)) / 4 < 0.1


@pytest.fixture
def from_hours() -> Iterator[Callable[..., list[Any]]]:
    """Ask days of hours that are put in by hand: Uccle as example 18 has it, and Nouméa."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'; create schema marts; create schema scales")
        connection.execute("create table scales.utc_offsets as select '988' as station_prefix, 11 as utc_offset_hours")
        connection.execute(
            "create table marts.hourly_observations (station_id varchar, observed_at timestamptz, temperature_c double,"
            " humidity_pct double, wind_speed_ms double, radiation_j_m2 double)"
        )
        connection.execute(
            "create table marts.daily_history as select '00000001' as station_id, date '2015-07-06' as observed_date,"
            " 12.3 as temperature_min_c, 21.5 as temperature_max_c, null::double as wind_mean_ms"
        )
        place = "'00000001' as station_id, 50.8 as latitude, 100.0 as altitude_m"
        connection.execute(
            f"create table marts.stations as select {place}; create table marts.posts as from marts.stations"
        )

        def make(post: str, days: Callable[[Question], DailyValues], hours: list[tuple[Any, ...]]) -> list[Any]:
            rows = [(post, *hour) for hour in hours]
            connection.executemany("insert into marts.hourly_observations values (?, ?, ?, ?, ?, ?)", rows)
            found = connection.execute("select table_schema || '.' || table_name from information_schema.tables")
            snapshot: Any = SimpleNamespace(relations=dict.fromkeys(name for (name,) in found.fetchall()))
            values = days(Question(snapshot, post, 7.2, date(2015, 1, 1)))
            return connection.execute(f"{values.sql} order by 1", values.params).fetchall()

        make.connection = connection  # type: ignore[attr-defined]
        yield make


def hours_of(first: datetime, count: int, temperature: float = 15.0) -> list[tuple[Any, ...]]:
    # 70.54 % of (1.431 + 2.564) / 2 kPa are example 18's 1.409 kPa.
    return [(first + timedelta(hours=n), temperature, 70.54, 10 / 3.6, 22.07e6 / 24) for n in range(count)]


def test_penman_monteith_needs_all_hours(from_hours: Callable[..., list[Any]]) -> None:
    first = datetime.fromisoformat("2015-07-06T01:00Z")
    ((_, value, method),) = from_hours("00000001", et0, hours_of(first, 23))
    assert method == "hargreaves"
    ((_, value, method),) = from_hours("00000001", et0, hours_of(first + timedelta(hours=23), 1))
    assert (round(value, 1), method) == (3.9, "penman_monteith")


def test_the_official_evapotranspiration_comes_first(from_hours: Callable[..., list[Any]]) -> None:
    connection: duckdb.DuckDBPyConnection = from_hours.connection  # type: ignore[attr-defined]
    connection.execute(
        "create table marts.daily_other as select '00000001' as station_id, date '2015-07-06' as observed_date,"
        " 4.2 as et0_mm, 480.0 as sunshine_min"
    )
    first = datetime.fromisoformat("2015-07-06T01:00Z")
    assert from_hours("00000001", et0, hours_of(first, 24)) == [(date(2015, 7, 6), 4.2, "official")]
    assert from_hours("00000001", sunshine, hours_of(first, 1)) == [(date(2015, 7, 6), 8.0)]


def test_a_day_overseas_is_cut_in_its_own_time(from_hours: Callable[..., list[Any]]) -> None:
    """In Nouméa 9 January has the hours that end from 14 h UTC on the 8th to 13 h on the 9th."""
    cold = hours_of(datetime.fromisoformat("2015-01-08T14:00Z"), 24, 5.0)
    warm = hours_of(datetime.fromisoformat("2015-01-09T14:00Z"), 24, 25.0)
    assert from_hours("98818001", chill_hours, cold + warm) == [(date(2015, 1, 9), 24), (date(2015, 1, 10), 0)]


def test_dry_spells_end_with_rain_or_with_a_missing_day(http: httpx.Client) -> None:
    """ROUSSET has 0.2 mm from 16 to 25 April 2026, and no value on the 20th."""
    body = http.get("/climate/04033001/dry-spells").json()
    shown = ("first_day", "last_day", "days", "is_start_known", "is_end_known", "goes_on")
    assert [tuple(row[name] for name in shown) for row in body["data"]] == [
        ("2026-04-21", "2026-04-25", 5, False, False, True),
        ("2026-04-16", "2026-04-19", 4, False, False, False),
    ]
    assert body["under"] == 1.0
    assert http.get("/climate/04033001/dry-spells?under=0.2").json()["data"] == []  # 0.2 is not less
    (long,) = http.get("/climate/04033001/dry-spells?least_days=5").json()["data"]
    assert long["days"] == 5
    (early,) = http.get("/climate/04033001/dry-spells?to=2026-04-20").json()["data"]
    assert early["days"] == 4
    # 1 mm a day for thirty years: not dry, but under 2 mm one spell from the first day to the last.
    assert http.get("/climate/09289001/dry-spells?to=2021-01-01").json()["data"] == []
    first = http.get("/climate/09289001/dry-spells?to=2021-01-01&under=2&limit=1").json()["data"]
    assert [(row["first_day"], row["last_day"], row["days"]) for row in first] == [("1991-01-01", "2021-01-01", 10959)]


def test_first_and_last_frost_of_a_winter(http: httpx.Client) -> None:
    (winter,) = http.get("/climate/09999001/frosts").json()["data"]
    # One day, 1 January 1950 with -1 °C; 184 days of the winter came before it.
    assert (winter["first_day"], winter["last_day"], winter["goes_on"]) == ("1949-07-01", "1950-01-01", True)
    assert (winter["first_frost"], winter["last_frost"], winter["frost_days"]) == ("1950-01-01", "1950-01-01", 1)
    assert (winter["days"], winter["missing_days"], winter["is_whole"]) == (1, 184, False)
    (spring,) = http.get("/climate/04033001/frosts").json()["data"]
    assert (spring["first_frost"], spring["frost_days"], spring["days"], spring["missing_days"]) == (None, 0, 9, 290)
    (warm,) = http.get("/climate/04033001/frosts?under=5&format=ndjson").text.splitlines()
    assert '"frost_days":9' in warm


@pytest.mark.parametrize("url", ["dry-spells?under=0", "frosts?from=2020-01-01&to=2019-01-01", "frosts?under=inf"])
def test_what_is_no_spell_says_why(http: httpx.Client, url: str) -> None:
    assert_problem(http.get(f"/climate/09289001/{url}"), 422)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("quantity=snow&since=2020-01-01", 422),
        ("quantity=rain", 422),
        ("quantity=rain&since=2020-02-01&until=2020-01-01", 422),
        ("quantity=rain&since=2020-01-01&base=3", 422),
        ("quantity=degree_days&since=2020-01-01&base=nan", 422),
        ("quantity=rain&since=0001-01-01", 422),
        ("quantity=rain&since=2020-01-01&cursor=abc", 422),
        ("quantity=rain&since=2020-01-01&format=geojson", 406),
    ],
)
def test_what_cannot_be_summed_says_why(http: httpx.Client, query: str, status: int) -> None:
    assert_problem(http.get(f"/climate/09289001/accumulate?{query}"), status)

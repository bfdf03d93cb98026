"""Normals, records and history over HTTP, from a file of days whose answers can be worked out by hand."""

import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
from problems import assert_problem

from api.schemas import answers
from ingestion.paths import DataPaths
from orchestration.backup import frozen
from orchestration.snapshots.snapshots import served_snapshot

pytestmark = pytest.mark.xdist_group("warehouse")


def rows(http: httpx.Client, url: str) -> list[dict[str, Any]]:
    answer = http.get(url)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def test_normals_by_month_and_year(http: httpx.Client) -> None:
    found = rows(http, "/climate/09289001/normals?quantity=temperature_max_c")
    assert [row["month"] for row in found] == [*range(1, 13), None]
    # The mean of 11 to 40 is 25.5; 14 July 2020 adds 1 / 31 / 30 to July.
    assert (found[0]["normal"], found[6]["normal"], found[0]["lowest"], found[0]["highest"]) == (25.5, 25.5, 11, 40)
    assert (found[0]["years"], found[0]["first_year"], found[0]["last_year"]) == (30, 1991, 2020)
    rain = rows(http, "/climate/ST%20GIRONS/normals?quantity=precipitation_mm")
    assert (rain[0]["normal"], rain[12]["normal"], rain[12]["statistic"]) == (31.0, 365.27, "sum")
    answers.NormalsAnswer.model_validate(http.get("/climate/09289001/normals").json())


def test_normals_by_day(http: httpx.Client) -> None:
    found = rows(http, "/climate/09289001/normals?quantity=temperature_max_c&resolution=day")
    assert len(found) == 365
    assert (found[0]["month"], found[0]["day"], found[364]["month"], found[364]["day"]) == (1, 1, 12, 31)
    mid = next(row for row in found if (row["month"], row["day"]) == (5, 10))
    assert (mid["normal"], mid["p50"], mid["years"]) == (25.5, 25.5, 30)


def test_records(http: httpx.Client) -> None:
    found = rows(http, "/climate/09289001/records?quantity=temperature_max_c")
    overall = {row["kind"]: row for row in found if row["month"] is None}
    assert (overall["highest"]["value"], overall["highest"]["observed_date"]) == (41.0, "2020-07-14")
    assert (overall["lowest"]["value"], overall["lowest"]["observed_date"]) == (11.0, "1991-01-01")
    assert (overall["highest"]["whole_years"], overall["highest"]["is_long"]) == (30, True)
    short = rows(http, "/climate/Ancien poste/records")
    assert {row["is_long"] for row in short} == {False}


def test_is_this_normal(http: httpx.Client) -> None:
    (found,) = [http.get("/climate/normal?station=09289001&date=2020-07-14").json()["data"]]
    assert (found["value"], found["normal"], found["departure"]) == (41.0, 25.5, 15.5)
    assert (found["rank"], found["rank_of_years"], found["years"]) == (1, 30, 30)
    assert found["percentile"] == 99.9  # 449 of 450 days are lower, and itself counts half: 99.89
    low = http.get("/climate/normal?station=09289001&date=1991-05-10").json()["data"]
    # 15 of 450 days are equal and count half.
    assert (low["value"], low["rank"], low["percentile"], low["departure"]) == (11.0, 30, 1.7, -14.5)
    assert low["day_source"] == "official"
    # New Year's window of 1991 lacks the days of 1990, so 29 years count, each with 7 days of the year before.
    new_year = http.get("/climate/normal?station=09289001&date=2000-01-01").json()["data"]
    assert (new_year["normal"], new_year["years"]) == (25.53, 29)
    newest = http.get("/climate/normal?station=09289001&date=2021-01-01").json()["data"]
    assert (newest["value"], newest["quality"], newest["rank"], newest["rank_of_years"]) == (41.0, 9, 1, 31)


def test_a_running_month_is_compared_with_the_same_days_of_other_years(http: httpx.Client) -> None:
    url = "/climate/normal?station=09289001&date={}&resolution={}&quantity={}"
    found = http.get(url.format("2020-07-14", "month", "temperature_max_c")).json()["data"]
    # 13 days of 40 and one of 41; the other years have 11 to 39: (11 + ... + 39 + 40.0714) / 30 = 25.5024.
    assert (found["value"], found["normal"], found["departure"]) == (40.07, 25.5, 14.57)
    assert (found["days"], found["missing_days"], found["is_whole"], found["statistic"]) == (14, 0, True, "mean")
    assert (found["rank"], found["rank_of_years"], found["percentile"], found["years"]) == (1, 30, 98.3, 30)
    rain = http.get(url.format("2020-07-14", "month", "precipitation_mm")).json()["data"]
    assert (rain["value"], rain["normal"], rain["statistic"], rain["percentile"]) == (14.0, 14.0, "sum", 50.0)
    # 1 January to 1 March: 61 days in the 8 leap years, 60 in the 22 others.
    year = http.get(url.format("2020-03-01", "year", "precipitation_mm")).json()["data"]
    assert (year["value"], year["normal"], year["departure"], year["first_day"]) == (61.0, 60.27, 0.73, "2020-01-01")
    # The end of February is compared with the end of February: 29 days or 28.
    leap = http.get(url.format("2020-02-29", "month", "precipitation_mm")).json()["data"]
    assert (leap["value"], leap["normal"], leap["years"]) == (29.0, 28.27, 30)
    later = http.get(url.format("2021-01-03", "month", "precipitation_mm")).json()["data"]
    assert (later["value"], later["is_whole"], later["days"], later["missing_days"]) == (None, False, 1, 2)
    assert (later["normal"], later["departure"], later["rank"]) == (3.0, None, None)


def test_one_day_of_every_station(http: httpx.Client) -> None:
    (row,) = rows(http, "/climate/normal?date=2020-07-14")
    assert (row["station_id"], row["value"], row["normal"], row["departure"]) == ("09289001", 41.0, 25.5, 15.5)
    assert (row["percentile_range"], row["years"], row["day_source"]) == ("95-100", 30, "official")
    assert (row["latitude"], row["longitude"]) == pytest.approx((43.005, 1.107), abs=0.001)
    # Of 450 days 15 have 11 and 15 have 12: 5 % are under 12, and 12 is under the tenth part (13.0).
    assert [rows(http, f"/climate/normal?date={y}-05-10&dept=9")[0]["percentile_range"] for y in (1991, 1992)] == [
        "0-5",
        "5-10",
    ]
    empty = http.get("/climate/normal?date=2020-07-14&dept=31").json()
    assert (empty["data"], empty["message"]) == ([], "no station has this value on 2020-07-14")
    short = rows(http, "/climate/normal?date=1950-01-01")
    assert [(row["station_id"], row["normal"], row["percentile_range"]) for row in short] == [("09999001", None, None)]
    today = rows(http, "/climate/normal?date=2026-11-19&limit=3")
    assert len(today) == 3
    assert {row["day_source"] for row in today} == {"hours"}
    assert http.get("/climate/normal?date=2020-07-14&format=csv").text.count("\n") == 2
    (feature,) = http.get("/climate/normal?date=2020-07-14&format=geojson").json()["features"]
    assert feature["properties"]["departure"] == 15.5


def test_months_against_their_normal_in_sql(http: httpx.Client) -> None:
    url = "/warehouse/tables/marts/anomalies?station_id=09289001&quantity=temperature_max_c"
    (row,) = rows(http, f"{url}&month=2020-07-01")
    # 30 days of 40 and one of 41; the normal's other years have 11 to 39.
    assert (row["value"], row["normal"], row["departure"]) == (40.03, 25.5, 14.53)
    assert (row["rank"], row["rank_of_years"], row["percentile"], row["years"]) == (1, 30, 98.3, 30)
    assert rows(http, f"{url}&month=2021-01-01") == []  # one day is no month
    sql = "select * from marts.monthly_history where station_id = '09289001' and month = '2021-01-01'"
    (month, _) = rows(http, f"/warehouse/query?sql={sql} order by quantity")
    assert (month["value"], month["days"], month["missing_days"], month["is_whole"]) == (None, 1, 30, False)
    (post,) = rows(http, "/warehouse/tables/marts/posts?station_id=09999001")
    assert (post["station_name"], post["first_day"], post["last_day"]) == ("ANCIEN POSTE", "1950-01-01", "1950-01-01")


def test_a_post_with_a_new_number_tells_the_old_one_and_is_not_joined_to_it(http: httpx.Client) -> None:
    new = http.get("/climate/Rousset/history").json()  # both numbers bear this name
    assert {row["station_id"] for row in new["data"]} == {"04033001"}
    assert len(new["data"]) == 9
    assert new["also_known_as"] == [{"station_id": "05127001", "until": "2026-04-15"}]
    old = http.get("/climate/05127001/history?limit=1").json()
    assert old["also_known_as"] == [{"station_id": "04033001", "since": "2026-04-16"}]
    normal = http.get("/climate/normal?station=04033001&date=2026-04-21").json()
    assert (normal["also_known_as"], normal["data"]["rank_of_years"]) == (new["also_known_as"], 1)
    assert "also_known_as" not in http.get("/climate/09289001/normals").json()


def test_a_station_without_rows_says_which_days_are_known(http: httpx.Client) -> None:
    empty = http.get("/climate/09999001/history?from=2000-01-01").json()
    assert (empty["data"], empty["message"]) == ([], "no row fits; days of 09999001: 1950-01-01 to 1950-01-01")


def test_a_station_whose_departement_has_no_files_has_its_days_from_hours(http: httpx.Client) -> None:
    station = rows(http, "/warehouse/stations?dept=31&limit=1")[0]["station_id"]
    found = rows(http, f"/climate/{station}/history")
    assert {(row["station_id"], row["day_source"]) for row in found} == {(station, "hours")}
    empty = http.get(f"/climate/{station}/normals").json()
    assert empty["data"] == []
    assert empty["message"].startswith(f"no row fits; days of {station}: 2026-11-1")


def test_months_come_in_pages(http: httpx.Client) -> None:
    url = "/climate/09289001/history?from=2000-01-01&to=2001-12-31&resolution=year"
    whole, paged, cursor = rows(http, url), [], None
    for _ in range(2):
        body = http.get(f"{url}&limit=3{f'&cursor={cursor}' if cursor else ''}").json()
        paged += body["data"]
        cursor = body["next"]
    assert (len(whole), paged, cursor) == (4, whole, None)


def test_too_few_years_give_no_normal(http: httpx.Client) -> None:
    found = http.get("/climate/normal?station=09999001&date=1950-01-01").json()["data"]
    assert (found["value"], found["normal"], found["departure"], found["percentile"]) == (3.0, None, None, None)
    assert (found["years"], found["is_normal"]) == (0, False)
    body = http.get("/climate/normal?station=09289001&date=1980-05-01").json()
    missing = body["data"]
    assert body["message"].startswith("no row fits; days of 09289001: 1991-01-01 to 2026-11-")
    assert (missing["value"], missing["normal"], missing["rank"]) == (None, 25.5, None)


def test_history_by_day_joins_official_days_and_days_from_hours(http: httpx.Client) -> None:
    found = rows(http, "/climate/09289001/history?from=2020-07-13&to=2020-07-14")
    assert [(row["observed_date"], row["temperature_max_c"], row["day_source"]) for row in found] == [
        ("2020-07-13", 40.0, "official"),
        ("2020-07-14", 41.0, "official"),
    ]
    assert rows(http, "/climate/09289001/history?from=2021-01-01&to=2021-01-01")[0]["quality"] == {
        "temperature_max_c": 9
    }
    # Rain has the code 1, the maximum 9.
    shares = rows(http, "/climate/09289001/history?from=2020-12-31&to=2021-01-01")
    assert [row["validated_share"] for row in shares] == [1.0, 0.5]
    newer = rows(http, "/climate/09289001/history?from=2021-01-02")
    assert {row["validated_share"] for row in newer} == {None}
    assert newer
    assert {row["day_source"] for row in newer} == {"hours"}


def test_history_comes_in_pages_and_formats(http: httpx.Client) -> None:
    url = "/climate/09289001/history?from=1999-12-30&to=2000-01-03"
    whole = rows(http, url)
    paged, cursor = [], None
    for _ in range(3):
        body = http.get(f"{url}&limit=2{f'&cursor={cursor}' if cursor else ''}").json()
        paged += body["data"]
        cursor = body["next"]
    assert (paged, cursor) == (whole, None)
    table = pq.read_table(io.BytesIO(http.get(f"{url}&format=parquet").content))
    assert table.column("temperature_max_c").to_pylist() == [19.0, 19.0, 20.0, 20.0, 20.0]
    assert len(http.get(f"{url}&format=csv").text.splitlines()) == 6
    first = http.get(url)
    assert http.get(url, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304


def test_hours_of_the_archive_and_of_real_time(http: httpx.Client) -> None:
    url = "/climate/09289001/history?resolution=hour"
    old = rows(http, f"{url}&from=2005-01-01&to=2005-01-01")
    assert [(row["observed_at"], row["temperature_c"], row["source"], row["quality"]) for row in old] == [
        (f"2005-01-01T0{hour}:00:00Z", 5.5, "archive", {"temperature_c": 9}) for hour in range(3)
    ]
    assert old[0]["precipitation_mm"] == 0.4
    assert old[0]["validated_share"] == 0.5  # rain has the code 1
    assert len(rows(http, f"{url}&to=2004-12-31")) == 2
    assert {row["station_name"] for row in rows(http, "/climate/poste%20horaire/history?resolution=hour")} == {
        "POSTE HORAIRE"
    }
    first = http.get(f"{url}&limit=5").json()
    assert [row["source"] for row in first["data"]] == ["archive"] * 5
    following = rows(http, f"{url}&limit=4&cursor={first['next']}")
    newest = rows(http, "/warehouse/tables/marts/hourly_observations?station_id=09289001&order=observed_at&limit=4")
    assert [row["observed_at"] for row in following] == [row["observed_at"] for row in newest]
    assert [row["temperature_c"] for row in following] == [row["temperature_c"] for row in newest]
    assert {row["source"] for row in following} == {"realtime"}
    assert len(pq.read_table(io.BytesIO(http.get(f"{url}&to=2005-01-01&format=parquet").content))) == 5


def test_windows_over_the_archives_hours(http: httpx.Client) -> None:
    """Hours from 22 on New Year's Eve to 02, 0.4 mm each: the third and later ones have 3 hours, none has 6."""
    url = "/climate/09289001/history?resolution=hour&windows=true"
    old = rows(http, f"{url}&to=2005-01-01")
    assert [(row["precipitation_3h_mm"], row["precipitation_3h_hours"]) for row in old] == [
        (None, 1), (None, 2), (1.2, 3), (1.2, 3), (1.2, 3)
    ]  # fmt: skip
    assert [(row["precipitation_6h_mm"], row["precipitation_24h_hours"]) for row in old][-1] == (None, 5)
    assert (old[4]["temperature_mean_3h_c"], old[4]["temperature_min_3h_c"]) == (5.5, None)
    # The hours before the range count, and so do those before a page.
    assert rows(http, f"{url}&from=2005-01-01&to=2005-01-01") == old[2:]
    first = http.get(f"{url}&limit=3&to=2005-01-01").json()
    assert first["data"] + rows(http, f"{url}&limit=3&to=2005-01-01&cursor={first['next']}") == old
    assert_problem(http.get("/climate/09289001/history?windows=true"), 422)


def test_windows_are_those_of_real_time(http: httpx.Client) -> None:
    names = [
        *(f"precipitation_{n}h_mm" for n in (3, 6, 12, 24)),
        *(f"temperature_{name}_{n}h_c" for name in ("mean", "min", "max") for n in (3, 6, 12, 24)),
        *("precipitation_24h_hours", "temperature_mean_24h_hours", "temperature_min_6h_hours", "snow_depth_max_24h_cm"),
        *("snow_depth_max_24h_hours", "snow_depth_change_24h_cm", "pressure_tendency_3h_hpa"),
    ]
    url = "/warehouse/tables/marts/hourly_observations?station_id=09289001&order=observed_at&limit=1000"
    told = rows(http, f"{url}&select=observed_at,{','.join(names)}")
    ours = rows(http, "/climate/09289001/history?resolution=hour&windows=true&from=2006-01-01")
    assert [{name: row[name] for name in ("observed_at", *names)} for row in ours] == told
    assert any(row["precipitation_24h_mm"] is not None for row in told)


def test_the_ends_of_the_calendar_are_days_too(http: httpx.Client) -> None:
    url = "/climate/09289001/history?resolution=hour&windows=true&from=0001-01-01&to=9999-12-31&limit=5"
    assert len(rows(http, url)) == 5


def test_months_and_years_have_values_only_when_they_are_whole(http: httpx.Client) -> None:
    url = "/climate/09289001/history?from=2000-02-01&to=2000-03-30&resolution=month"
    assert [(row["quantity"], row["month"], row["value"], row["days"], row["is_whole"]) for row in rows(http, url)] == [
        ("precipitation_mm", "2000-02-01", 29.0, 29, True),
        ("precipitation_mm", "2000-03-01", None, 30, False),  # the range cuts it, and a sum needs every day
        ("temperature_max_c", "2000-02-01", 20.0, 29, True),
        ("temperature_max_c", "2000-03-01", 20.0, 30, True),
    ]
    years = rows(http, "/climate/09289001/history?from=2000-01-01&to=2001-11-30&resolution=year")
    assert [(row["quantity"], row["year"], row["value"], row["whole_months"]) for row in years] == [
        ("precipitation_mm", 2000, 366.0, 12),
        ("precipitation_mm", 2001, None, 11),
        ("temperature_max_c", 2000, 20.0, 12),
        ("temperature_max_c", 2001, None, 11),
    ]


def test_coverage(http: httpx.Client) -> None:
    found = {row["station_id"]: row for row in rows(http, "/archive/coverage")}
    post = found["09289001"]
    assert (post["first_month"], post["last_month"], post["days"]) == ("1991-01-01", "2021-01-01", 10959)
    assert (post["temperature_max_c_days"], post["temperature_min_c_days"], post["quality_9_values"]) == (10959, 0, 1)
    assert found["09999001"]["station_name"] == "ANCIEN POSTE"
    by_year = rows(http, "/archive/coverage?station=09289001&by=year&limit=2")
    assert [(row["year"], row["days"]) for row in by_year] == [(1991, 365), (1992, 366)]
    assert rows(http, "/archive/coverage?dept=31") == []
    # Rain and maximum of each day; one maximum has the code 9.
    assert post["validated_share"] == round((2 * 10959 - 1) / (2 * 10959), 4) == 1.0
    assert by_year[0]["validated_share"] == 1.0
    (newest,) = rows(http, "/archive/coverage?station=09289001&by=month")[-1:]
    assert (newest["month"], newest["validated_share"]) == ("2021-01-01", 0.5)


def test_coverage_of_hours(http: httpx.Client) -> None:
    """Five hours of rain and temperature with code 9 on both sides of New Year, and one post with validated ones."""
    found = http.get("/archive/coverage?dataset=hours&station=09289001&by=month").json()
    counts = ("month", "hours", "precipitation_mm_hours", "temperature_c_hours", "wind_speed_ms_hours")
    assert [tuple(row[name] for name in counts) for row in found["data"]] == [
        ("2004-12-01", 2, 2, 2, 0),
        ("2005-01-01", 3, 3, 3, 0),
    ]
    shares = ("quality_0_share", "quality_1_share", "quality_2_share", "quality_9_share", "validated_share")
    # The code of rain is 1, that of temperature 9.
    assert [found["data"][1][name] for name in shares] == [0.0, 0.5, 0.0, 0.5, 0.5]
    assert "doubtful" in found["rule"]
    by_station = {row["station_id"]: row for row in rows(http, "/archive/coverage?dataset=hours")}
    # Two hours without any value have no share.
    assert (by_station["09999002"]["validated_share"], by_station["09999002"]["hours"]) == (None, 2)
    assert rows(http, "/archive/coverage?dataset=hours&by=year&dept=9&limit=1")[0]["year"] == 2004
    url = "/archive/coverage?dataset=hours&by=year"
    assert len(http.get(f"{url}&format=csv").text.splitlines()) == 4
    assert len(pq.read_table(io.BytesIO(http.get(f"{url}&format=parquet").content))) == 3
    assert http.get(url, headers={"If-None-Match": http.get(url).headers["ETag"]}).status_code == 304
    assert_problem(http.get("/archive/coverage?dataset=minutes"), 422)


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/climate/99999999/normals", 404),
        ("/climate/09289001/normals?quantity=temperature", 422),
        ("/climate/09289001/normals?resolution=week", 422),
        ("/climate/09289001/history?from=2021-01-01&to=2020-01-01", 422),
        ("/climate/09289001/history?from=yesterday", 422),
        ("/climate/09289001/history?cursor=abc", 422),
        ("/climate/normal?station=09289001", 422),
        ("/climate/normal?date=2020-07-14&resolution=month", 422),
        ("/climate/normal?date=2020-07-14&dept=nowhere", 422),
        ("/climate/normal?date=2020-07-14&dept=9&station=09289001", 422),
        ("/climate/normal?station=09289001&date=0001-01-01", 422),
        ("/climate/normal?station=09289001&date=2020-07-14&quantity=gust_3s_ms", 422),
        ("/archive/coverage?dept=nowhere", 422),
        ("/climate/normal?station=09289001&date=2020-07-14&format=csv", 406),
    ],
)
def test_what_cannot_be_answered_says_why(http: httpx.Client, url: str, status: int) -> None:
    assert_problem(http.get(url), status)


def test_a_warehouse_without_archive_says_so(client: httpx.Client) -> None:
    for url in ("/climate/09289001/normals", "/climate/normal?station=09289001&date=2020-07-14", "/archive/coverage"):
        problem = assert_problem(client.get(url), 404)
        assert problem["type"] == "/problems/archive-empty"


def test_the_questions_about_history_get_answers(http: httpx.Client) -> None:
    text = http.get("/warehouse/questions").text
    addresses = re.findall(r'"\$B(/[^"]*)"', text.partition("With history")[2].partition("\n## ")[0])
    assert len(addresses) == 22
    for address in addresses:
        assert http.get(address).status_code == 200, address


def test_the_marts_are_described_and_readable_by_sql(http: httpx.Client) -> None:
    tables = {table["name"]: table for table in rows(http, "/warehouse/tables")}
    names = (
        "daily_history",
        "hourly_history",
        "archive_hours_coverage",
        "normals_monthly",
        "normals_daily",
        "records",
        "archive_coverage",
        "archive_files",
    )
    for name in names:
        assert tables[name]["description"]
    sql = "select count(*) as n, max(temperature_max_c) as t from marts.daily_history where day_source = 'official'"
    assert rows(http, f"/warehouse/query?sql={sql}") == [{"n": 10984, "t": 41.0}]
    page = rows(http, "/warehouse/tables/marts/daily_history?station_id=09289001&order=-temperature_max_c&limit=1")
    assert page[0]["temperature_max_c"] == 41.0


def test_a_snapshot_does_not_grow_with_its_days(with_archive: DataPaths, warehouse: DataPaths) -> None:
    shown, without = served_snapshot(with_archive), served_snapshot(warehouse)
    assert shown is not None
    assert without is not None
    assert shown.size_bytes - without.size_bytes < 1_500_000
    # Days, and four of their climate, for each of three départements; hours of one, their days, partial ones, coverage.
    assert len(shown.archive) == 19


def test_a_backup_holds_the_archive(with_archive: DataPaths) -> None:
    shown = served_snapshot(with_archive)
    assert shown is not None
    with frozen(with_archive) as folder:
        assert all((folder / file).exists() for file in [*shown.archive, "archive/ledger.json"])


def test_a_moved_data_directory_reads_its_own_archive(
    with_archive: DataPaths, tmp_path: Path, start: Callable[..., httpx.Client]
) -> None:
    moved = Path(shutil.copytree(with_archive.root, tmp_path / "elsewhere", symlinks=True))
    hidden = with_archive.archive.rename(with_archive.root / "hidden")
    try:
        found = rows(start(DataPaths(moved)), "/climate/09289001/history?from=2020-07-14&to=2020-07-14")
    finally:
        hidden.rename(with_archive.archive)
    assert found[0]["temperature_max_c"] == 41.0

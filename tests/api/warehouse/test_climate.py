"""Normals, records and history over HTTP, from a file of days whose answers can be worked out by hand."""

import io
import re
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
from archive_files import HOURS_HEADER, Archive, hours_of, row_of, text_of
from problems import assert_problem

from api.schemas import answers
from ingestion.paths import DataPaths
from orchestration.backup import frozen
from orchestration.snapshots.publish import is_up_to_date, publish_build
from orchestration.snapshots.snapshots import served_snapshot

FIRST, LAST = date(1991, 1, 1), date(2021, 1, 1)


def days() -> list[dict[str, object]]:
    """TX is the year's last two digits, 91 to 120, less 80; 1 mm a day; 14 July 2020 is 41.0; 2021 has one day."""
    rows = []
    for n in range((LAST - FIRST).days + 1):
        day = FIRST + timedelta(days=n)
        warmth = 41.0 if day == date(2020, 7, 14) else day.year - 1980
        rows.append(row_of(day, RR="1.0", TX=f"{warmth:.1f}", QTX=9 if day.year == 2021 else 1))
    return rows


@pytest.fixture(scope="module")
def with_archive(two_snapshots: Path, tmp_path_factory: pytest.TempPathFactory) -> DataPaths:
    """A published warehouse whose archive has one post of the list and one that is closed."""
    folder = tmp_path_factory.mktemp("with-archive")
    paths = DataPaths(Path(shutil.copytree(two_snapshots, folder / "data", symlinks=True)))
    archive = Archive(paths, folder / "files")
    closed = [row_of(date(1950, 1, 1), "09999001", NOM_USUEL="ANCIEN POSTE", RR="2.0", TN="-1.0", TX="3.0")]
    archive.load("Q_09_previous-1950-2024_RR-T-Vent.csv.gz", text_of(closed + days()), datetime(2025, 1, 1, tzinfo=UTC))
    assert not is_up_to_date(paths)
    hours = hours_of("2004-12-31T22", 5, RR1="0.4", T="5.5", QT=9)
    hours += hours_of("2005-01-01T00", 2, "09999002", NOM_USUEL="POSTE HORAIRE")
    archive.load("H_09_previous-2000-2009.csv.gz", text_of(hours, HOURS_HEADER), datetime(2025, 1, 1, tzinfo=UTC))
    publish_build(paths, keep=5)
    assert is_up_to_date(paths)
    return paths


@pytest.fixture(scope="module")
def http(with_archive: DataPaths, start_for_module: Callable[..., httpx.Client]) -> httpx.Client:
    return start_for_module(with_archive)


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


def test_too_few_years_give_no_normal(http: httpx.Client) -> None:
    found = http.get("/climate/normal?station=09999001&date=1950-01-01").json()["data"]
    assert (found["value"], found["normal"], found["departure"], found["percentile"]) == (3.0, None, None, None)
    assert (found["years"], found["is_normal"]) == (0, False)
    missing = http.get("/climate/normal?station=09289001&date=1980-05-01").json()["data"]
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
    newer = rows(http, "/climate/09289001/history?from=2021-01-02")
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
    addresses = re.findall(r'"\$B(/(?:climate|archive)/[^"]*)"', text)
    assert len(addresses) == 6
    for address in addresses:
        assert http.get(address).status_code == 200, address


def test_the_marts_are_described_and_readable_by_sql(http: httpx.Client) -> None:
    tables = {table["name"]: table for table in rows(http, "/warehouse/tables")}
    for name in (
        "daily_history",
        "hourly_history",
        "archive_hours_coverage",
        "normals_monthly",
        "normals_daily",
        "records",
        "archive_coverage",
        "archive_files",
    ):
        assert tables[name]["description"]
    sql = "select count(*) as n, max(temperature_max_c) as t from marts.daily_history where day_source = 'official'"
    assert rows(http, f"/warehouse/query?sql={sql}") == [{"n": 10960, "t": 41.0}]
    page = rows(http, "/warehouse/tables/marts/daily_history?station_id=09289001&order=-temperature_max_c&limit=1")
    assert page[0]["temperature_max_c"] == 41.0


def test_a_snapshot_does_not_grow_with_its_days(with_archive: DataPaths, warehouse: DataPaths) -> None:
    shown, without = served_snapshot(with_archive), served_snapshot(warehouse)
    assert shown is not None
    assert without is not None
    assert shown.size_bytes - without.size_bytes < 1_500_000
    assert len(shown.archive) == 8


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

"""What the page shows of the open archive: a year over its normal, today against normal, coverage."""

import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from archive_files import HOURS_HEADER, Archive, days_of, hours_of, row_of, text_of
from fastapi.testclient import TestClient
from hand_made import hand_made

from api.page.archive import posts_of, shade_of
from api.page.departures import add_departures, read_departures, sort_by_departure
from api.page.station import read_gaps
from api.page.year_chart import Series, cumulate, draw, place_of
from api.warehouse.open.execute import Executor
from api.warehouse.settings import WarehouseSettings
from ingestion.paths import DataPaths
from orchestration.snapshots.publish import publish_build

pytestmark = pytest.mark.xdist_group("page-answers")

FIRST, LAST = date(1991, 1, 1), date(2021, 1, 1)
HEADER = "NUM_POSTE;NOM_USUEL;LAT;LON;ALTI;AAAAMMJJ;RR;QRR;TN;QTN;TX;QTX;TM;QTM"


@pytest.fixture(scope="session")
def with_archive(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ST GIRONS: 30 years and a day, TX of year - 1980, 1 mm a day. ASTON: eleven years. A closed post: a day."""
    paths = DataPaths(Path(shutil.copytree(published, tmp_path_factory.mktemp("page-archive") / "d", symlinks=True)))
    rows = []
    for n in range((LAST - FIRST).days + 1):
        day = FIRST + timedelta(days=n)
        warmth = 41 if day == date(2020, 7, 14) else day.year - 1980
        rows.append(row_of(day, RR="1.0", TN="0.0", TX=f"{warmth}.0", TM=f"{warmth}.0"))
    rows += days_of(date(2010, 1, 1), 4018, "09024004", TX="20.0", RR="0.0")
    rows.append(row_of(date(1950, 1, 1), "09999001", NOM_USUEL="ANCIEN <b>POSTE", TX="3.0"))
    archive = Archive(paths, paths.root.parent / "files")
    modified = datetime(2025, 1, 1, tzinfo=UTC)
    archive.load("Q_09_previous-1950-2024_RR-T-Vent.csv.gz", text_of(rows, HEADER), modified)
    hours = text_of(hours_of("2004-06-01T00", 50), HOURS_HEADER)
    archive.load("H_09_2000-2009.csv", hours, modified)
    publish_build(paths, keep=5)
    return paths.root


@pytest.fixture
def client(serve: Callable[[Path], TestClient], with_archive: Path) -> TestClient:
    return serve(with_archive)


@pytest.fixture
def executor() -> Iterator[Executor]:
    opened = Executor(WarehouseSettings(_env_file=None))
    yield opened
    opened.close()


def cells(page: str, table: str, row: str) -> list[str]:
    """The cells of a table's row, without tags."""
    found = re.search(rf'<table id="{table}">.*?<tr[^>]*><th scope="row">{row}</th>(.*?)</tr>', page, re.DOTALL)
    assert found, f"{table} has no row {row}"
    return [re.sub(r"<[^>]*>", "", cell).strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", found[1], re.DOTALL)]


def test_a_stations_year_is_told_with_its_normal_and_records(client: TestClient):
    page = client.get("/page/station/09289001?tz=UTC").text
    assert "The year 2020 and its normal" in page  # 2021 has one day, and days from hours come after it
    # The window of 1 January 1991 lacks the days of 1990.
    assert "Normal 1991–2020: at least 29 of 30 years count for each day." in page
    assert "366 days of 2020 are there: 366 official" in page
    assert re.search(r'<path class="band" d="M\d', page)
    # Mean minimum, mean maximum and rain, each with its normal; lowest, highest, wettest day.
    # The mean of 11 to 40 is 25.5.
    assert cells(page, "months", "Jan") == [
        "0.0", "0.0", "40.0", "25.5", "31.0", "31.0", "0.0 1 Jan 1991", "41.0 1 Jan 2021", "1.0 1 Jan 1991"
    ]  # fmt: skip
    assert cells(page, "months", "All months")[4:6] == ["366.0", "365.3"]
    other = client.get("/page/station/09289001?year=1995&quantity=precipitation_mm&lang=fr").text
    assert "L’année 1995 et sa normale" in other
    assert cells(other, "months", "févr.")[2:6] == ["15,0", "25,5", "28,0", "28,3"]
    assert '<path class="band" d=""/>' in other


def test_few_years_are_not_called_normal(client: TestClient):
    page = client.get("/page/station/09024004").text
    # 2010 to 2020, but 1 January 2010 has no days before it.
    assert "10 of 30 years have enough days. Fewer than 24 are not called normal, so none is drawn." in page
    assert '<path class="band" d=""/>' in page
    assert '<path class="normal" d=""/>' in page
    assert "8 of 10 days" not in page
    assert cells(page, "months", "Jan")[2:4] == ["20.0", "–"]


@pytest.mark.parametrize(
    ("query", "said"),
    [("year=MMXX", "is no year"), ("year=12345678901234567890", "is no year"), ("quantity=mood", "choose")],
)
def test_a_year_or_quantity_that_is_none_is_refused(client: TestClient, query: str, said: str):
    answer = client.get(f"/page/station/09289001?{query}")
    assert (answer.status_code, said in answer.text) == (422, True)


def test_the_map_shows_departures_from_normal_and_says_of_how_many(client: TestClient):
    page = client.get("/?show=normal&sort=-normal").text
    assert re.search(r"1 of \d+ stations has a normal: at least 24 of 30 years count", page)
    first = re.search(r'<tbody>\s*<tr[^>]*><th scope="row"><a [^>]*>([^<]*)</a>(.*?)</tr>', page, re.DOTALL)
    assert first
    assert first[1] == "ST GIRONS"
    # The mean of these 24 hours is of the test's upstream; the normal is ours: 25.5 on nearly all days.
    assert re.search(r'<td class="n">-\d+\.\d <span class="unit">\(25\.5\)', first[2])
    assert 'class="legend m-normal"' in page
    assert "far colder than normal" in page


def test_without_an_archive_no_normal_is_offered(serve: Callable[[Path], TestClient], published: Path):
    client = serve(published)
    assert "Against normal" not in client.get("/").text
    assert "No station shown has a normal" in client.get("/?show=normal").text
    assert "Nothing is loaded yet" in client.get("/page/archive").text
    assert 'id="year"' not in client.get("/page/station/09289001").text


def test_a_departure_needs_22_hours_and_a_normal(executor: Executor):
    newest = datetime(2024, 3, 1, 9, tzinfo=UTC)  # most of the 24 hours are of 29 February, which has the 28th's normal
    snapshot = hand_made(
        "create table marts.hourly_observations (station_id varchar, observed_at timestamptz, temperature_c double)",
        "create table marts.normals_daily (station_id varchar, quantity varchar, month bigint, day bigint,"
        " normal double, years bigint, is_normal boolean)",
    )
    hours = {"A": 24, "B": 22, "C": 21, "D": 24, "E": 24}
    rows = [[name, newest - timedelta(hours=h), 10.0 + (h == 0)] for name, count in hours.items() for h in range(count)]
    rows.append(["A", newest - timedelta(hours=24), 99.0])
    snapshot.connection.executemany("insert into marts.hourly_observations values (?, ?, ?)", rows)
    normals = [[name, "temperature_mean_c", 2, 28, 7.5, 30, name != "D"] for name in "ABCD"]
    normals += [["A", "temperature_mean_c", 3, 1, 1.0, 30, True], ["A", "temperature_max_c", 2, 28, 1.0, 30, True]]
    snapshot.connection.executemany("insert into marts.normals_daily values (?, ?, ?, ?, ?, ?, ?)", normals)
    found = read_departures(snapshot, executor, newest)
    assert {name: row["departure_c"] for name, row in found.items()} == {
        "A": pytest.approx(2.5 + 1 / 24), "B": pytest.approx(2.5 + 1 / 22)
    }  # fmt: skip
    stations = [{"station_id": name} for name in "CAB"]
    add_departures(stations, found)
    assert [s["station_id"] for s in sort_by_departure(stations, is_descending=True)] == ["B", "A", "C"]
    assert [s["station_id"] for s in sort_by_departure(stations, is_descending=False)] == ["A", "B", "C"]


def test_coverage_is_a_heat_map_of_posts_and_years(client: TestClient):
    page = client.get("/page/archive").text
    assert "<h1>The archive of official days: Ariège</h1>" in page
    # Thirty whole years are one rectangle, 42 years after 1950: 30 x 365 and eight leap days. Then one day.
    assert '<rect class="s4" x="41" width="30" height="1"><title>1991–2020: 10,958/10,958</title>' in page
    assert '<rect class="s0" x="71" width="1" height="1"><title>2021: 1/365</title>' in page
    assert '<th scope="row">ANCIEN &lt;b&gt;POSTE</th>' in page  # it has no page of its own, so no link
    assert "/page/station/09289001" in page
    assert "ANCIEN" not in client.get("/page/archive?quantity=rain").text
    assert "make backfill DEPT=31" in client.get("/page/archive?dept=31").text
    assert client.get("/page/archive?quantity=mood").status_code == 422
    # 50 hours of 2004, told as two days.
    hours = client.get("/page/archive?quantity=hours").text
    assert '<rect class="s0" x="0" width="1" height="1"><title>2004: 2/366</title>' in hours
    assert "dataset=hours" in hours


def test_years_of_one_shade_are_joined_and_a_missing_year_parts_them():
    years = [(2000, 366, 366), (2001, 365, 365), (2003, 365, 365), (2004, 90, 366), (2005, 0, 365)]
    rows = [{"station_id": "A", "station_name": "a", "year": y, "days": d, "of_days": of} for y, d, of in years]
    (post,) = posts_of(rows)
    assert [(run["first"], run["last"], run["shade"]) for run in post["runs"]] == [
        (2000, 2001, 4), (2003, 2003, 4), (2004, 2005, 0)
    ]  # fmt: skip
    assert (post["days"], post["full_years"], post["first_year"], post["last_year"]) == (1186, 3, 2000, 2005)
    # A quarter of 365 days is 91.25, three quarters 273.75, 95 % 346.75.
    assert [shade_of(days, 365) for days in (91, 92, 273, 274, 346, 347, 364, 365)] == [0, 1, 1, 2, 2, 3, 3, 4]


def test_a_sum_stops_at_a_missing_day_and_knows_leap_years():
    days: list[float | None] = [1.0] * 366
    days[place_of(2, 29)] = None
    assert cumulate(days, is_leap=False)[365] == 365
    assert cumulate(days, is_leap=True)[58:61] == [59, None, None]  # 31 + 28 days, then a hole
    assert cumulate([None] * 366, is_leap=True) == [None] * 366


def test_a_gap_says_who_has_its_hours(executor: Executor) -> None:
    """Missing are 1 to 4 h and 6 h: the archive has 2 h, and 3 h was asked for in vain."""
    hours = "select '09289001' as station_id, timestamptz '2026-11-20 00:00:00Z' + to_hours(hour) as observed_at"
    asked = "select timestamptz '2026-11-20 00:00:00Z' + to_hours(hour) as hour, departments, answer, station_id"
    told = [(2, "9", "gone", None), (3, "9,31", "gone", None), (4, "31", "gone", None), (6, "9", "repaired", None)]
    told += [(4, "9", "gone", "'09024004'"), (6, "all", "failed", "'09289001'")]
    rows = ", ".join(f"({hour}, '{where}', '{answer}', {of or 'null'})" for hour, where, answer, of in told)
    snapshot = hand_made(
        f"create table marts.hourly_observations as {hours} from (values (0), (5), (7)) as told (hour)",
        f"create table marts.hourly_history as {hours} from (values (0), (2), (5), (7)) as told (hour)",
        f"create table meta.repaired_hours as {asked} from (values {rows}) as t(hour, departments, answer, station_id)",
    )
    gaps = read_gaps(snapshot, executor, "09289001", "9", datetime(2026, 11, 19, tzinfo=UTC))
    found = [(gap["since"].hour, gap["until"].hour, gap["hours"], gap["in_archive"], gap["nowhere"]) for gap in gaps]
    assert found == [(6, 6, 1, 0, 0), (1, 4, 4, 1, 1)]


def test_a_year_is_drawn_in_round_numbers_with_gaps():
    nothing: list[float | None] = [None] * 366
    days, low, high = list(nothing), list(nothing), list(nothing)
    days[0], days[1], days[3] = 3.0, 9.0, -1.0
    low[0], low[1], high[0], high[1] = 0.0, 0.0, 10.0, 10.0
    chart = draw(Series(days, nothing, low, high, [(1, "highest", 10.0)], is_leap=True))
    # From -1 to 10 in at most six steps: steps of 2, so the picture is from -2 to 10.
    assert [value for value, _ in chart["ticks"]] == [-2, 0, 2, 4, 6, 8, 10]
    top, bottom = chart["ticks"][-1][1], chart["ticks"][0][1]
    x = [62 + (day + 0.5) / 366 * 930 for day in range(4)]
    y = [top + (10 - value) / 12 * (bottom - top) for value in (3, 9, -1)]
    drawn = [f"{a:.1f} {b:.1f}" for a, b in zip((x[0], x[1], x[3]), y, strict=True)]
    assert chart["days"] == f"M{drawn[0]}h0L{drawn[1]}M{drawn[2]}h0"
    assert chart["records"]["highest"].startswith(f"M62.0 {top}H")
    assert chart["band"].count("L") == 3

"""The page as an HTTP answer: headers, ETag, languages, zones, and the faces it has when something is missing."""

import json
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.page import quality
from ingestion.paths import DataPaths

Serve = Callable[[Path], TestClient]
VIEWS = [
    "/", "/page/places?mine=09289001", "/page/station/09289001", "/page/watches", "/page/runs", "/page/quality",
    "/page/archive",
]  # fmt: skip

pytestmark = pytest.mark.xdist_group("page-answers")


@pytest.fixture
def client(serve: Serve, published: Path) -> TestClient:
    return serve(published)


@pytest.mark.parametrize("path", [*VIEWS, "/docs"])
def test_a_view_forbids_everything_that_is_not_its_own(client: TestClient, path: str):
    answer = client.get(path)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    # Nothing that the policy would stop: no script or style inside, no handler or style in a tag, no other host.
    assert re.findall(r"<script(?![^>]*(?: src=| type=\"application/json\"))", answer.text) == []
    assert re.findall(r"<style|<[^>]* (?:style|on[a-z]+)=", answer.text) == []
    assert re.findall(r"(?:src|href)=\"(?:https?:)?//(?!127\.0\.0\.1)", answer.text) == []


@pytest.mark.parametrize("path", ["/", "/page/station/09289001", "/page/quality"])
def test_a_view_is_sent_once_per_snapshot_and_reader(client: TestClient, path: str):
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    french = client.get(path, headers={"If-None-Match": first.headers["etag"], "Accept-Language": "fr"})
    assert french.status_code == 200
    assert french.headers["etag"] != first.headers["etag"]
    assert client.head(path).headers["etag"] == first.headers["etag"]


def test_everything_a_view_loads_is_there_and_lasts(client: TestClient):
    page = client.get("/").text + client.get("/docs").text
    addresses = set(re.findall(r"/static/[^\"]+", page))
    scripts = {
        re.sub(r"[^/]+$", f"{name}.js", next(iter(addresses)))
        for name in ("map", "map_view", "map_labels", "charts", "runs", "watches", "changes", "words")
    }
    assert len(addresses) > 5
    for address in addresses | scripts:
        answer = client.get(address)
        assert answer.status_code == 200, address
        assert "immutable" in answer.headers["cache-control"]
    assert client.get("/static/0000/page.js").status_code == 404
    assert client.get(re.sub(r"[^/]+$", "..%2Frouter.py", next(iter(addresses)))).status_code == 404


@pytest.mark.parametrize(
    ("accepted", "query", "tag", "heading"),
    [
        ("fr", "", "fr-FR", "Le temps aux stations"),
        ("fr-CA,en;q=0.5", "", "fr-CA", "Le temps aux stations"),
        ("de-DE,de;q=0.9,en-US;q=0.3", "", "en-US", "The weather at the stations"),
        ("fr", "?lang=en", "en-GB", "The weather at the stations"),
        ("", "?lang=fr", "fr-FR", "Le temps aux stations"),
        ("fr;q=x,,;q=1", "", "en-GB", "The weather at the stations"),
        ("xx", "?lang=xx", "en-GB", "The weather at the stations"),
    ],
)
def test_the_language_is_the_browsers_unless_the_address_says_another(
    client: TestClient, accepted: str, query: str, tag: str, heading: str
):
    text = client.get(f"/{query}", headers={"Accept-Language": accepted}).text
    assert f'<html lang="{tag}">' in text
    assert f"<h1>{heading}</h1>" in text


def test_numbers_and_times_are_the_readers(client: TestClient):
    station = "/page/station/09289001"
    hours = {
        zone: re.search(r"<h2>(?:At|À) ([^<]*)", client.get(f"{station}?tz={zone}").text)
        for zone in ("UTC", "Europe/Paris", "Pacific/Noumea")
    }
    told = {zone: found[1][-5:-3] for zone, found in hours.items() if found}
    assert (int(told["Europe/Paris"]) - int(told["UTC"])) % 24 == 1
    assert (int(told["Pacific/Noumea"]) - int(told["UTC"])) % 24 == 11
    assert re.search(r"<dd>-?\d+,\d <span class=\"unit\">°C", client.get(f"{station}?lang=fr").text)
    assert re.search(r"<dd>-?\d+\.\d <span class=\"unit\">°C", client.get(f"{station}?lang=en").text)


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/?tz=Mars/Olympus", 422, "is no time zone"),
        ("/?show=mood", 422, "choose temperature, rain, wind, snow, normal"),
        ("/?sort=beauty", 422, "is no order"),
        ("/?dept=Ariege5", 422, "Ariège"),
        ("/page/station/99999999", 404, "station"),
        ("/page/station/09289001?range=2y", 422, "choose 24h, 7d, 30d, all"),
        ("/page/quality?before=nothing&after=nothing", 410, "is not kept"),
        ("/page/quality?all=mood", 422, "choose by-station, silent, freshness, late, kept"),
        ("/?q=<script>alert(1)</script>", 200, "&lt;script&gt;"),
    ],
)
def test_a_wrong_address_is_answered_with_a_page_that_says_what_to_do(
    client: TestClient, path: str, status: int, said: str
):
    answer = client.get(path)
    assert answer.status_code == status
    assert said in answer.text
    assert "<script>alert" not in answer.text
    assert answer.headers["content-type"].startswith("text/html")


def test_before_the_first_snapshot_the_page_says_so_and_what_to_do(serve: Serve, data_dir: Path):
    client = serve(data_dir)
    for path in ("/", "/page/quality", "/page/station/09289001", "/page/places", "/page/archive"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "No data yet" in answer.text
        assert "prefect-server.log" in answer.text
    assert "Prefect does not answer" in client.get("/page/runs").text


def test_without_prefect_the_observations_stay_readable(client: TestClient):
    now = client.get("/").text
    assert "Runs unknown" in now
    assert 'id="stations"' in now
    assert "Prefect does not answer" in client.get("/page/runs").text


@pytest.mark.parametrize(("hours", "level"), [(1, "green"), (3, "amber"), (9, "red")])
def test_the_badge_turns_amber_then_red(serve: Serve, published: Path, data_dir: Path, hours: int, level: str):
    shutil.copytree(published, data_dir, symlinks=True)
    manifest = DataPaths(data_dir).published.resolve().parent / "manifest.json"
    facts = json.loads(manifest.read_text())
    facts["newest_observation"] = (datetime.now(UTC) - timedelta(hours=hours, minutes=1)).isoformat()
    manifest.write_text(json.dumps(facts))
    assert f'class="badge {level}"' in serve(data_dir).get("/").text


def test_real_data_has_no_demo_banner_and_the_demo_has_one(serve: Serve, published: Path, data_dir: Path):
    assert "METEOFRANCE_TOKEN" not in serve(published).get("/").text
    shutil.copytree(published, data_dir, symlinks=True)
    manifest = DataPaths(data_dir).published.resolve().parent / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"source": "demo"}))
    assert "METEOFRANCE_TOKEN" in serve(data_dir).get("/").text


def test_the_table_is_sorted_and_searched_by_the_address(client: TestClient):
    def names(query: str) -> list[str]:
        return re.findall(r'<th scope="row"><a [^>]*>([^<]*)', client.get(f"/?{query}").text)

    every = names("")
    assert every == sorted(every)
    assert names("sort=-name") == sorted(every, reverse=True)
    assert names("q=st+girons") == ["ST GIRONS"]
    assert names("q=saint-girons") == ["ST GIRONS"]
    assert set(names("q=ariège")) == set(every)
    assert names("dept=31") == []


def test_the_search_finds_a_town_by_the_stations_around_it(client: TestClient):
    page = client.get("/?q=Tarascon+sur+Ariege").text
    assert "The weather in Tarascon-sur-Ariège (09)" in page
    around = client.get("/warehouse/stations?place=Tarascon+sur+Ariege&limit=8").json()["data"]
    assert around
    shown = re.findall(r"/page/station/(\d{8})", page.partition("<table")[2])
    assert sorted(set(shown)) == sorted(row["station_id"] for row in around if row["last_observed_at"])
    assert shown[0] == around[0]["station_id"]
    by_name = re.findall(
        r"/page/station/(\d{8})", client.get("/?q=Tarascon+sur+Ariege&sort=-name").text.partition("<table")[2]
    )
    assert sorted(set(by_name)) == sorted(set(shown))
    assert by_name != shown
    assert "No station matches" in client.get("/?q=Saint-Denis").text  # it may be several
    assert "No station matches" in client.get("/?q=Nantes").text  # no station is near


def test_what_the_page_asks_again_and_again_costs_nothing(client: TestClient, published: Path):
    first = client.get("/page/state")
    assert first.json()["snapshot"] == DataPaths(published).published.resolve().parent.name
    again = client.get("/page/state", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304


def test_the_page_is_not_in_the_api_document(client: TestClient):
    paths = client.get("/openapi.json").json()["paths"]
    assert [path for path in paths if path == "/" or path.startswith(("/page", "/static", "/docs"))] == []


def test_my_places_are_what_the_address_says_and_every_link_carries_them(client: TestClient):
    def shown(path: str) -> list[str]:
        return re.findall(r'<article class="place">\s*<h2>(?:<a[^>]*>)?([^<]*)', client.get(path).text)

    assert shown("/page/places") == []
    assert shown("/page/places?mine=09024004,09289001,,09024004,77777777,%3Cb%3E") == [
        "ASTON", "ST GIRONS", "77777777"
    ]  # fmt: skip
    added = client.get("/page/places?mine=09024004&add=saint-girons").text
    assert "/page/places?mine=09024004%2C09289001" in added  # each link goes on from both
    unknown = client.get("/page/places?mine=09289001&add=<i>Atlantis").text
    assert "No station and no town is called “&lt;i&gt;Atlantis”" in unknown
    town = client.get("/page/places?mine=09024004&add=Tarascon+sur+Ariege").text
    stands = client.get("/warehouse/stations?place=Tarascon+sur+Ariege&limit=1").json()["data"][0]
    assert f"The station {stands['station_name']} stands for Tarascon-sur-Ariège (9)" in town
    assert f"mine=09024004%2C{stands['station_id']}" in town
    several = client.get("/page/places?add=Sainte-Colombe").text
    assert "Several places are called “Sainte-Colombe”" in several
    assert 'href="/page/places?add=Sainte-Colombe+%2869%29">Sainte-Colombe (69)<' in several
    station = client.get("/page/station/09289001?mine=09024004").text
    assert 'href="/page/station/09289001?mine=09024004%2C09289001">Add to my places' in station
    station = client.get("/page/station/09289001?mine=09024004,09289001").text
    assert 'href="/page/station/09289001?mine=09024004">Remove from my places' in station
    now = client.get("/?mine=09289001").text
    assert 'href="/page/station/09024004?mine=09289001"' in now
    assert len(re.findall(r"<circle[^>]* mine\"", now)) == 1


def test_quality_shows_the_first_rows_of_a_table_and_links_to_the_rest(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(quality, "_FIRST", 0)  # of ten, which so few stations do not fill

    def rows(page: str) -> int:
        (body,) = re.findall(r'<table id="late">.*?<tbody>(.*?)</table>', page, re.DOTALL)
        return body.count("<tr")

    stations = client.get("/quality").json()["data"]["freshness"]["stations"]
    late = sum(station["hours_behind"] > 0 for station in stations)
    assert late > 0
    page = client.get("/page/quality").text
    found = re.search(r'href="(/page/quality\?all=late)#late">All (\d+)<', page)
    assert found
    assert (rows(page), int(found[2])) == (0, late)
    whole = client.get(found[1]).text
    assert rows(whole) == late
    assert 'href="/page/quality#late">Only the first' in whole

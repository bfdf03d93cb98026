import json
from datetime import timedelta
from xml.etree import ElementTree

import pytest

from ingestion.demo.packet import PACKET_COLUMNS
from ingestion.demo.stations import DEMO_STATIONS

AS_JSON = {"Accept": "application/json"}
FAULT_NAMESPACE = "{http://wso2.org/apimanager}"


def assert_refused(response, status, code):
    assert response.status_code == status
    if response.headers["content-type"].startswith("application/json"):
        fault = response.json()
    else:
        fault = {part.tag.removeprefix(FAULT_NAMESPACE): part.text for part in ElementTree.fromstring(response.text)}
    assert fault["code"] == code
    assert fault["description"]
    return fault["message"]


def test_stations_are_csv_whatever_the_format(demo):
    response = demo.get("/v2/liste-stations", format="json")
    assert response.headers["content-type"].startswith("text/csv")
    header, *rows = response.text.splitlines()
    assert header == "Id_station;Id_omm;Nom_usuel;Latitude;Longitude;Altitude;Date_ouverture;Pack"
    assert len(rows) == len(DEMO_STATIONS)


def test_the_path_before_the_version_does_not_matter(demo):
    assert demo.get("/behind/a/proxy/v2/liste-stations").status_code == 200
    assert demo.get("/../../v2/liste-stations").request.url.path == "/v2/liste-stations"
    assert demo.get("/../../v2/liste-stations").status_code == 200


@pytest.mark.parametrize("headers", [{"apikey": "secret"}, {"Authorization": "Bearer secret"}])
def test_the_token_lets_in(make_demo, headers):
    assert make_demo(token="secret").get("/v2/liste-stations", headers).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"apikey": "other"}, {"Authorization": "secret"}, AS_JSON])
def test_without_the_token_the_answer_is_401(make_demo, headers):
    assert_refused(make_demo(token="secret").get("/v2/liste-stations", headers), 401, "900901")


def test_version_1_is_not_subscribed(demo):
    assert_refused(demo.get("/v1/liste-stations"), 403, "900908")
    assert_refused(demo.get("/v1/paquet/horaire", AS_JSON), 403, "900908")


@pytest.mark.parametrize("path", ["/v2/paquet", "/v2/liste-station", "/v3/liste-stations", "/"])
def test_unknown_paths_are_404(demo, path):
    assert assert_refused(demo.get(path), 404, "404").startswith("No matching resource")


@pytest.mark.parametrize("code", ["09", "2A", "96", "0", "", "Ariège", "9 or 1=1"])
@pytest.mark.parametrize("headers", [{}, AS_JSON])
def test_a_bad_department_is_400(demo, code, headers):
    response = demo.get("/v2/paquet/horaire", headers, **{"id-departement": code, "format": "csv"})
    assert assert_refused(response, 400, "400") == "Contrôle de paramètres en erreur"


def test_an_unknown_format_is_400(demo):
    assert assert_refused(demo.department(packet_format="xls"), 400, "400") == "Contrôle de paramètres en erreur"


@pytest.mark.parametrize("date", ["2026-11-23T04:30:00Z", "2026-11-23T04:00:01Z", "2026-11-23", "yesterday", ""])
def test_a_bad_date_is_400(demo, date):
    response = demo.get("/v2/paquet/stations/horaire", date=date, format="csv")
    assert assert_refused(response, 400, "400") == "Contrôles de date en erreur"


@pytest.mark.parametrize("shift", [timedelta(hours=1), timedelta(days=400), timedelta(hours=-121), timedelta(days=-9)])
def test_a_future_or_forgotten_hour_is_empty(demo, shift):
    hour = demo.now.replace(minute=0) + shift
    assert demo.nation(hour, "csv").text == ";".join(PACKET_COLUMNS) + "\n"
    assert demo.nation(hour, "json").json() == []
    assert demo.nation(hour, "geojson").json() == {"type": "FeatureCollection", "features": []}


def test_the_quota_is_counted_by_the_minute(make_demo):
    demo = make_demo(requests_per_minute=2)
    statuses = [demo.get("/v2/liste-stations").status_code for _ in range(4)]
    assert statuses == [200, 200, 429, 429]
    refused = demo.get("/v2/liste-stations", AS_JSON)
    assert json.loads(refused.text)["code"] == "900802"
    assert "retry-after" not in refused.headers
    demo.now += timedelta(minutes=1)
    assert demo.get("/v2/liste-stations").status_code == 200


@pytest.mark.parametrize("code", ["1", "20", "75", "971", "988"])
def test_every_sort_of_department_has_its_own_stations(demo, read_csv, code):
    prefixes = {row["geo_id_insee"][: max(2, len(code))] for row in read_csv(demo.department(code))}
    assert prefixes == {code.zfill(2)}

"""Pages of other origins: closed by default, and open for reads alone."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import ValidationError
from running_service import client_from

from api.settings import ApiSettings, get_settings

NOTEBOOK = "http://localhost:8888"
RUN = "0192f0c1-8d1e-7a55-9a39-5b1f6f0e2c11"
CHANGES = [
    "POST /runs",
    "PATCH /schedule",
    f"POST /runs/{RUN}/cancel",
    f"POST /runs/{RUN}/retry",
    "POST /watches",
    "DELETE /watches/a",
]


@pytest.fixture
def _open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", f"{NOTEBOOK}, https://board.example")
    get_settings.cache_clear()


@pytest.fixture
def page(_open: None, app: FastAPI) -> TestClient:
    """Talk to the service as a browser does for a notebook's page."""
    client = client_from("127.0.0.1", app)
    client.headers["Origin"] = NOTEBOOK
    return client


def preflight(client: TestClient, change: str, headers: str = "content-type") -> dict[str, str]:
    method, path = change.split()
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    answer = client.options(path, headers=asked)
    return {"status": str(answer.status_code), **_allowed(dict(answer.headers))}


def _allowed(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("access-control")}


def test_no_other_origin_reads_by_default(local: TestClient):
    answer = local.get("/health/live", headers={"Origin": NOTEBOOK})
    assert answer.status_code == 200
    assert not _allowed(dict(answer.headers))
    assert preflight(local, "POST /warehouse/query") == {"status": "405"}


@pytest.mark.parametrize("path", ["/health/live", "/warehouse/snapshots", "/nowhere"])
def test_a_named_origin_reads_answers_and_problems(page: TestClient, path: str):
    headers = dict(page.get(path).headers)
    assert headers["access-control-allow-origin"] == NOTEBOOK
    assert "origin" in headers["vary"].lower()
    assert {"ETag", "X-Snapshot-Id", "X-Next-Cursor"} <= set(headers["access-control-expose-headers"].split(", "))


def test_a_named_origin_sends_sql_and_ranges(page: TestClient):
    sql = preflight(page, "POST /warehouse/query")
    assert (sql["status"], sql["access-control-allow-origin"]) == ("200", NOTEBOOK)
    assert "POST" in sql["access-control-allow-methods"]
    answer = page.post("/warehouse/query", json={"sql": "select 1"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (503, NOTEBOOK)  # no snapshot yet
    assert preflight(page, "GET /warehouse/download", "range, if-range")["status"] == "200"


@pytest.mark.parametrize("change", CHANGES)
def test_a_named_origin_changes_nothing(page: TestClient, change: str):
    assert preflight(page, change)["status"] == "400"
    method, path = change.split()
    answer = page.request(method, path, json={})
    assert answer.status_code == 403
    assert not _allowed(dict(answer.headers))


def test_no_key_or_cookie_is_let_through(page: TestClient):
    for name in ("x-api-key", "authorization"):
        assert preflight(page, "GET /runs", name)["status"] == "400"
    assert "access-control-allow-credentials" not in page.get("/health/live", headers={"Cookie": "a=b"}).headers


def test_origins_not_named_stay_out(page: TestClient):
    page.headers["Origin"] = "http://localhost:8889"
    assert "access-control-allow-origin" not in page.get("/health/live").headers
    assert preflight(page, "POST /warehouse/query")["status"] == "400"


def test_a_star_opens_reads_to_every_page_and_still_no_change(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CORS_ORIGINS", "*")
    get_settings.cache_clear()
    from api.app import create_app

    client = client_from("127.0.0.1", create_app())
    client.headers["Origin"] = "https://anywhere.example"
    assert client.get("/health/live").headers["access-control-allow-origin"] == "*"
    assert preflight(client, "POST /runs")["status"] == "400"


@pytest.mark.parametrize("wrong", ["localhost:8888", "http://localhost:8888/lab", "http://Localhost", "null"])
def test_what_no_browser_sends_is_refused_at_the_start(wrong: str):
    with pytest.raises(ValidationError, match="is no origin"):
        ApiSettings(_env_file=None, cors_origins=wrong)

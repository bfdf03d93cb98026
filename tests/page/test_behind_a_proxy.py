"""The service under a path of a proxy: every address it gives begins with the path, and every one is answered."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
from fastapi.testclient import TestClient

from api.settings import get_settings, read_root_path

Serve = Callable[[Path], TestClient]
VIEWS = ["/", "/page/station/09289001", "/page/quality", "/docs"]
READS = ["/warehouse/tables", "/warehouse/snapshots", "/quality"]

pytestmark = pytest.mark.xdist_group("page-answers")


@pytest.fixture(autouse=True)
def _fresh_settings() -> Iterator[None]:
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture
def proxied(serve: Serve, published: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setenv("ROOT_PATH", "girouette/")
    get_settings.cache_clear()
    return serve(published)


@pytest.mark.parametrize("passed_on", ["", "/girouette"], ids=["prefix taken off by the proxy", "prefix passed on"])
def test_every_address_given_leads_back_through_the_proxy(proxied: TestClient, passed_on: str):
    given = set()
    for path in VIEWS:
        answer = proxied.get(passed_on + path, headers={"Accept": "text/html"})
        assert answer.status_code == 200
        given |= set(re.findall(r"""(?:href|src|action|data-(?!names)\w+)="(/[^"#]*)""", answer.text))
    for path in READS:
        answer = proxied.get(passed_on + path)
        assert answer.status_code == 200
        given |= set(re.findall(r'"(?:href|rows|latest|download|diff)":\s*"(/[^"]*)"', answer.text))
    assert len(given) > 40
    for address in (text.replace("&amp;", "&") for text in given):
        assert address.startswith("/girouette"), address
        if not address.endswith("/runs"):  # the form's: a change
            path = address if passed_on else address.removeprefix("/girouette")
            assert proxied.get(path or "/").status_code in (200, 503), address


def test_the_next_page_a_missing_one_and_the_docs_are_under_the_path(proxied: TestClient):
    answer = proxied.get("/warehouse/tables/marts/hourly_observations?limit=1&format=csv")
    link = re.fullmatch(r'<(/girouette/warehouse/tables/[^>]+)>; rel="next"', answer.headers["link"])
    assert link is not None
    assert proxied.get(link[1]).status_code == 200
    assert proxied.get("/warehouse/nothing").json()["instance"] == "/girouette/warehouse/nothing"
    docs = proxied.get("/girouette/docs").text
    openapi = re.search(r'data-openapi="([^"]+)"', docs)
    assert openapi is not None
    document = json.loads(proxied.get(openapi[1]).text)
    assert urljoin("https://host", document["servers"][0]["url"]) == "https://host/girouette"


def test_a_view_kept_from_before_the_path_is_sent_again(serve: Serve, published: Path, monkeypatch: pytest.MonkeyPatch):
    client = serve(published)
    etag = client.get("/page/quality").headers["etag"]
    monkeypatch.setenv("ROOT_PATH", "/girouette")
    get_settings.cache_clear()
    assert client.get("/page/quality", headers={"If-None-Match": etag}).status_code == 200


def test_behind_a_proxy_nobody_changes_anything_without_a_key(proxied: TestClient, monkeypatch: pytest.MonkeyPatch):
    # Exactly what a program of this machine sends: a proxy that adds nothing cannot be told from it.
    refused = proxied.post("/warehouse/rollback")
    assert refused.status_code == 403
    assert "ROOT_PATH" in refused.json()["detail"]
    assert refused.json()["next_step"] == "set API_KEYS on the service and send a key"
    monkeypatch.setenv("API_KEYS", "a-key")
    get_settings.cache_clear()
    assert proxied.post("/warehouse/rollback").status_code == 401
    assert proxied.post("/girouette/warehouse/rollback", headers={"X-API-Key": "a-key"}).status_code not in (401, 403)


@pytest.mark.parametrize(
    ("text", "path"), [("", ""), ("/", ""), ("girouette/", "/girouette"), ("//evil.example/x", "/evil.example/x")]
)
def test_a_path_is_written_in_one_way(text: str, path: str):
    assert read_root_path(text) == path


@pytest.mark.parametrize("text", ["/a b", "/a?b", '/"onclick=', "/a//b", "http://host/a"])
def test_what_is_no_path_is_refused(text: str):
    with pytest.raises(ValueError, match="write a path such as /girouette"):
        read_root_path(text)

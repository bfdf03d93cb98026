"""Who may change things. Nobody answers for Prefect here: 503 means that a request was let through."""

import hashlib
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from running_service import client_from

from api import local_peer
from api.settings import get_settings

LET_THROUGH = 503


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.sha256(b"second-key").hexdigest()
    monkeypatch.setenv("API_KEYS", f"first-key, sha256:{digest}")
    get_settings.cache_clear()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-API-Key": "first-key"}, LET_THROUGH),
        ({"X-API-Key": "second-key"}, LET_THROUGH),
        ({"Authorization": "Bearer second-key"}, LET_THROUGH),
        ({"X-API-Key": "third-key"}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": "Basic Zmlyc3Qta2V5"}, 401),
        ({"X-API-Key": hashlib.sha256(b"second-key").hexdigest()}, 401),
        ({"X-API-Key": "clé"}, 401),
        ({}, 401),
    ],
)
def test_changes_need_a_key_once_there_are_keys(keys: None, local: TestClient, headers: dict[str, str], status: int):
    sent = {name: value.encode() for name, value in headers.items()}
    answer = local.post("/runs?dept=9", headers=sent)
    assert answer.status_code == status
    assert "-key" not in answer.text.replace("X-API-Key", "").replace("key-missing", "")


def test_a_key_opens_from_anywhere_and_reads_need_none(keys: None, app: FastAPI):
    far = client_from("203.0.113.7", app, host="girouette.example")
    assert far.post("/runs?dept=9", headers={"X-API-Key": "first-key"}).status_code == LET_THROUGH
    assert far.get("/health/live").status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "LOCALHOST"])
def test_without_keys_a_program_on_this_machine_may_change(app: FastAPI, host: str):
    assert client_from("127.0.0.1", app, host).post("/runs?dept=9").status_code == LET_THROUGH


@pytest.mark.parametrize(
    ("address", "host", "headers"),
    [
        ("203.0.113.7", "127.0.0.1:8000", {}),
        ("10.0.0.2", "localhost:8000", {}),
        ("127.0.0.1", "rebound.example:8000", {}),
        ("127.0.0.1", "localhost.example", {}),
        ("127.0.0.1", "localhost:8000", {"Origin": "https://page.example"}),
        ("127.0.0.1", "localhost:8000", {"Origin": "null"}),
        ("127.0.0.1", "localhost:8000", {"Origin": "http://localhost:3000"}),
        ("127.0.0.1", "localhost:8000", {"Sec-Fetch-Site": "cross-site"}),
        ("127.0.0.1", "localhost:8000", {"Sec-Fetch-Site": "same-site"}),
        ("127.0.0.1", "localhost:8000", {"X-Forwarded-For": "203.0.113.7"}),
        ("127.0.0.1", "localhost:8000", {"Forwarded": "for=203.0.113.7"}),
        ("127.0.0.1", "localhost:8000", {"Via": "1.1 proxy"}),
        ("127.0.0.1", "localhost:8000", {"X-Forwarded-Host": "public.example"}),
        ("127.0.0.1", "localhost:8000", {"X-Forwarded-Proto": "https"}),
        ("127.0.0.1", "localhost:8000", {"CF-Connecting-IP": "203.0.113.7"}),
        ("127.0.0.1", "localhost:8000", {"True-Client-IP": "203.0.113.7"}),
        ("127.0.0.1", "localhost:8000", {"X-Amzn-Trace-Id": "Root=1"}),
    ],
)
@pytest.mark.parametrize(
    "change",
    [
        "POST /runs",
        "PATCH /schedule",
        "POST /runs/{}/cancel",
        "POST /runs/{}/retry",
        "POST /watches",
        "DELETE /watches/{}",
        "POST /watches/{}/test",
    ],
)
def test_without_keys_nobody_else_may_change_anything(
    app: FastAPI, address: str, host: str, headers: dict[str, str], change: str
):
    method, path = change.split()
    url = path.format("0192f0c1-8d1e-7a55-9a39-5b1f6f0e2c11")
    answer = client_from(address, app, host).request(method, url, headers=headers, json={})
    assert answer.status_code == 403
    assert answer.json()["type"] == "/problems/not-from-here"
    assert "API_KEYS" in answer.json()["next_step"]


def test_the_docs_page_may_change_things_from_this_machine(local: TestClient):
    own = {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"}
    assert local.post("/runs?dept=9", headers=own).status_code == LET_THROUGH


def test_a_client_that_changes_too_often_is_told_to_wait(monkeypatch: pytest.MonkeyPatch, local: TestClient):
    monkeypatch.setenv("RATE_LIMIT_CHANGES", "3/hour")
    get_settings.cache_clear()
    statuses = [local.post("/runs?dept=9").status_code for _ in range(5)]
    assert statuses == [LET_THROUGH] * 3 + [429] * 2
    answer = local.post("/runs?dept=9")
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json()["type"] == "/problems/too-many-requests"


def test_reads_are_limited_for_others_only(monkeypatch: pytest.MonkeyPatch, app: FastAPI, local: TestClient):
    monkeypatch.setenv("RATE_LIMIT_READS", "2/hour")
    get_settings.cache_clear()
    far = client_from("203.0.113.7", app)
    assert [far.get("/health/live").status_code for _ in range(3)] == [200, 200, 429]
    assert [local.get("/health/live").status_code for _ in range(3)] == [200] * 3
    # A proxy on this machine may pass on any address, this machine's own too.
    proxied = [local.get("/health/live", headers={"X-Forwarded-For": "127.0.0.1"}).status_code for _ in range(3)]
    assert proxied == [200, 200, 429]
    neighbours = [client_from(f"2001:db8::{n}", app).get("/health/live").status_code for n in range(1, 4)]
    assert neighbours == [200, 200, 429]


def test_requests_in_the_way_of_plain_proxies_change_nothing(app: FastAPI, monkeypatch: pytest.MonkeyPatch):
    async def as_http_1_0(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "http_version": "1.0"}, receive, send)

    assert client_from("127.0.0.1", as_http_1_0).post("/runs?dept=9").status_code == 403
    monkeypatch.setattr(local_peer, "belongs_to_us", lambda *_: False)
    assert client_from("127.0.0.1", app).post("/runs?dept=9").status_code == 403


def test_sql_by_post_is_a_read(monkeypatch: pytest.MonkeyPatch, local: TestClient):
    monkeypatch.setenv("RATE_LIMIT_CHANGES", "1/hour")
    get_settings.cache_clear()
    statuses = {local.post("/warehouse/query", json={"sql": "select 1"}).status_code for _ in range(3)}
    assert statuses == {503}  # there is no snapshot; nobody is told to wait
    assert local.post("/runs?dept=9").status_code == LET_THROUGH


def test_invented_methods_make_no_metrics(local: TestClient):
    def lines() -> int:
        return len(local.get("/metrics").text.splitlines())

    local.request("INVENTED", "/health/live")
    lines()
    before = lines()
    for number in range(50):
        local.request(f"INVENTED{number}", "/health/live")
    assert lines() == before


def test_monitors_may_ask_for_the_head_alone(local: TestClient):
    assert local.head("/health/live").status_code == 200

"""Every error has one shape and says the next step."""

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

SHAPE = {"type", "title", "status", "detail", "instance", "field", "next_step", "request_id"}
SOME_RUN = "0192f0c1-8d1e-7a55-9a39-5b1f6f0e2c11"


def assert_problem(answer: Any, status: int, field: str | None) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == SHAPE
    assert (body["status"], body["field"]) == (status, field)
    assert body["next_step"]
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


@pytest.mark.parametrize(
    ("request_line", "status", "field"),
    [
        ("GET /nothing", 404, None),
        ("DELETE /runs", 405, None),
        ("POST /runs?dept=Atlantis", 422, "dept"),
        ("POST /runs?dept=9&full=perhaps", 422, "full"),
        ("GET /runs?limit=0", 422, "limit"),
        ("GET /runs?state=ASLEEP", 422, "state.0"),
        ("GET /runs?since=yesterday", 422, "since"),
        ("GET /runs?until=0.5", 422, "until"),
        ("GET /runs?since=2026-11-23T00:00:00", 422, "since"),
        ("GET /runs?cursor=made-up", 422, "cursor"),
        ("GET /runs?cursor=W10=", 422, "cursor"),
        ("GET /runs/seven", 422, "run_id"),
        (f"GET /runs/{SOME_RUN}", 503, None),
        (f"GET /runs/{SOME_RUN}/events", 503, None),
        ("GET /schedule", 503, None),
        ("POST /runs?dept=9", 503, None),
    ],
)
def test_an_error_names_the_field_and_the_next_step(
    local: TestClient, request_line: str, status: int, field: str | None
):
    method, url = request_line.split()
    body = assert_problem(local.request(method, url), status, field)
    assert body["instance"] == url.partition("?")[0]


def test_an_unknown_departement_is_told_the_nearest(local: TestClient):
    assert "Ariège" in local.post("/runs?dept=Ariegge").json()["detail"]


def test_without_prefect_a_caller_is_told_when_to_come_back(local: TestClient):
    answer = local.post("/runs?dept=9")
    assert int(answer.headers["Retry-After"]) > 0
    assert "/health/ready" in answer.json()["next_step"]


def test_the_unexpected_is_logged_and_not_told(app: FastAPI, local: TestClient):
    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("the secret is s3cr3t")

    answer = local.get("/broken", headers={"X-Request-ID": "mine-1"})
    body = assert_problem(answer, 500, None)
    assert "s3cr3t" not in answer.text
    assert body["request_id"] == "mine-1"


@pytest.mark.parametrize("given", ["", "a b", "x" * 200, "é", "{}"])
def test_a_strange_request_id_is_replaced(local: TestClient, given: str):
    answer = local.get("/health/live", headers={"X-Request-ID": given.encode()})
    assert answer.headers["x-request-id"] not in ("", given)


def test_a_wrong_method_is_told_all_the_right_ones(local: TestClient):
    assert local.delete("/runs").headers["Allow"] == "GET, POST"
    assert local.delete("/schedule").headers["Allow"] == "GET, PATCH"
    assert local.delete("/docs").headers["Allow"] == "GET, HEAD"


def test_health_says_what_is_missing(local: TestClient):
    assert local.get("/health/live").json() == {"status": "alive"}
    answer = local.get("/health/ready")
    assert answer.status_code == 503
    assert "the warehouse is empty" in answer.json()["parts"]["warehouse"]["reason"]


def test_every_documented_error_is_the_one_shape(app: FastAPI):
    document = app.openapi()
    assert set(document["components"]["schemas"]["Problem"]["properties"]) == SHAPE
    for path, methods in document["paths"].items():
        for method, endpoint in methods.items():
            for status, answer in endpoint["responses"].items():
                # 416 is the file server's own, as RFC 9110 wants it: the size in Content-Range, no JSON.
                # As text: a 400 of uvicorn's to what is no HTTP, which no code of ours hears of.
                if int(status) >= 400 and path != "/health/ready" and status != "416":
                    shapes = [shape for shape in answer["content"] if (status, shape) != ("400", "text/plain")]
                    assert shapes == ["application/problem+json"][: len(shapes)], (method, path, status)
                    assert shapes or status == "400", (method, path, status)

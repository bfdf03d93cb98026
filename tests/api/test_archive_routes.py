"""A back-fill over HTTP: planned, started, followed, published, beside the hourly runs."""

import time

import httpx
import pytest
from running_service import RunningService

pytestmark = pytest.mark.xdist_group("service")

ARIEGE = "dept=9&since=2026"


@pytest.mark.slow
def test_a_back_fill_is_planned_followed_and_published_beside_an_hourly_run(service: RunningService):
    plan = service.http.get(f"/archive/plan?{ARIEGE}").json()
    assert (plan["files"], plan["known"], plan["bytes_unknown"]) == (1, 0, 1)
    assert [(file["action"], file["department"]) for file in plan["listed"]] == [("fetch", "9")]

    answer = service.http.post(f"/archive/backfill?{ARIEGE}")
    run = answer.json()
    assert (answer.status_code, run["coalesced"]) == (202, False)
    assert answer.headers["location"] == run["links"]["self"] == f"/runs/{run['id']}"
    assert service.http.post(f"/archive/backfill?{ARIEGE}").json()["id"] == run["id"]
    hourly = service.trigger("dept=9&full=true")
    assert service.until_ended(hourly["id"])["state"]["type"] == "COMPLETED"
    ended = service.until_ended(run["id"])
    assert ended["state"]["type"] == "COMPLETED", ended
    (file,) = ended["packets"]
    assert file["name"] == plan["listed"][0]["name"]
    assert file["new"] == ended["rows_new"] > 14 * 200
    deadline = time.monotonic() + 30  # reads go on from the snapshot before until the new one is open
    while "data" not in (coverage := service.http.get("/archive/coverage?dept=9").json()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert coverage["data"]

    state = service.http.get("/archive/backfill").json()
    assert state["backfill"]["run"]["id"] == run["id"]
    progress = state["backfill"]["progress"]
    assert (progress["files_done"], progress["share"], progress["rows"]) == (1, 1.0, file["new"])
    assert (state["planned"], state["fetched"], state["failed"]) == (0, 0, [])
    known = service.http.get(f"/archive/plan?{ARIEGE}").json()
    assert (known["files"], known["known"], known["rows_known"]) == (0, 1, file["new"])

    again = service.http.post(f"/runs/{run['id']}/retry").json()
    assert again["id"] != run["id"]
    assert service.until_ended(again["id"])["state"]["name"] == "NoNewData"
    runs = service.http.get("/runs?limit=100").json()["runs"]
    assert {run["id"], again["id"]} & {found["id"] for found in runs} == set()  # the hourly runs only


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("dept=Atlantis", 422, "dept"),
        ("dataset=minutes", 422, "dataset.0"),
        ("since=190", 422, "since"),
        ("dept=974&since=2020", 502, None),  # the demo lists no overseas files
    ],
)
def test_a_wish_that_cannot_be_met_is_a_problem(service: RunningService, query: str, status: int, field: str | None):
    answer = service.http.get(f"/archive/plan?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["field"] == field


def test_a_plan_and_a_back_fill_need_a_key_and_the_state_does_not(service: RunningService):
    with httpx.Client(base_url=str(service.http.base_url)) as stranger:
        assert stranger.get("/archive/plan").status_code == 401
        assert stranger.post("/archive/backfill").status_code == 401
        assert stranger.get("/archive/backfill").status_code == 200

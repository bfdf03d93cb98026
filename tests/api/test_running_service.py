"""Runs over HTTP: a real service, a real Prefect server, forked runs."""

import json
import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from running_service import RunningService

from benchmarks.prefect_ui import prefect_ui
from ingestion.paths import DataPaths
from ingestion.writer_lock import writer_lock

pytestmark = pytest.mark.xdist_group("service")


def events_of(service: RunningService, run_id: str, **headers: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Follow a run to its end: (event, id, data) each."""
    found, event = [], {}
    with service.http.stream("GET", f"/runs/{run_id}/events", headers=headers, timeout=120) as lines:
        for line in lines.iter_lines():
            name, _, value = line.partition(": ")
            if line:
                event[name] = value
            elif "data" in event:
                found.append((event["event"], event["id"], json.loads(event["data"])))
                event = {}
    return found


def test_a_triggered_run_is_followed_to_its_snapshot(service: RunningService):
    answer = service.http.post("/runs?dept=Ariège&full=true")
    run = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == run["links"]["self"] == f"/runs/{run['id']}"
    assert [d["code"] for d in run["departments"]] == ["9"]

    events = events_of(service, run["id"])
    states = [data["type"] for kind, _, data in events if kind == "state"]
    assert states[0] == "SCHEDULED"
    assert states[-2:] == ["RUNNING", "COMPLETED"]
    nodes = [data for kind, _, data in events if kind == "node"]
    assert [node["n"] for node in nodes] == list(range(1, len(nodes) + 1))
    assert {node["of"] for node in nodes} == {len(nodes)}
    assert events[-1][0] == "end"
    assert events[-1][2]["state"]["type"] == "COMPLETED"

    # Reconnecting in the middle brings exactly the rest.
    middle = len(events) // 2
    rest = events_of(service, run["id"], **{"Last-Event-ID": events[middle][1]})
    assert sorted(str(data) for _, _, data in rest[:-1]) == sorted(str(data) for _, _, data in events[middle + 1 : -1])

    detail = service.http.get(f"/runs/{run['id']}").json()
    assert len(detail["nodes"]) == len(nodes) == detail["nodes_expected"]
    assert {"ingest station list", "ingest Ariège (9)", "dbt build", "publish"} == {t["name"] for t in detail["tasks"]}
    assert detail["is_published"]
    assert (service.data_dir / "snapshots" / detail["snapshot"] / "warehouse.duckdb").exists()
    assert detail["history"][-1]["type"] == "COMPLETED"
    latest = service.http.get("/runs/latest").json()
    assert latest["state"]["type"] == "COMPLETED"
    assert latest["last_finished"]["id"] == run["id"]
    lines = service.http.get(f"/runs/{run['id']}/logs").json()["lines"]
    assert any("dbt: success model" in line["message"] for line in lines)


def test_fifty_equal_wishes_are_one_run(service: RunningService):
    # The lock keeps the run from ending before the last has asked, which on a busy machine takes longer than a run.
    lock = writer_lock(DataPaths(service.data_dir), "a test", lambda _: None)
    with lock, ThreadPoolExecutor(50) as callers:
        runs = list(callers.map(lambda _: service.trigger("dept=9&full=true"), range(50)))
    assert len({run["id"] for run in runs}) == 1
    assert Counter(run["coalesced"] for run in runs) == {True: 49, False: 1}
    assert service.until_ended(runs[0]["id"])["state"]["type"] == "COMPLETED"


def test_a_cancelled_run_leaves_the_snapshot_alone(service: RunningService):
    served = (service.data_dir / "warehouse.duckdb").readlink()
    run = service.trigger("dept=9&full=true")
    service.until(lambda: service.http.get(f"/runs/{run['id']}").json()["packets"], "the run's first packet")
    assert service.http.post(f"/runs/{run['id']}/cancel").status_code == 202
    ended = service.until_ended(run["id"])
    assert ended["state"]["type"] == "CANCELLED"
    service.until(
        lambda: (
            {task["state"]["type"] for task in service.http.get(f"/runs/{run['id']}").json()["tasks"]}
            <= {"COMPLETED", "CANCELLED"}
        ),
        "the end of every task",
    )
    assert (service.data_dir / "warehouse.duckdb").readlink() == served
    again = service.http.post(f"/runs/{run['id']}/cancel")
    assert (again.status_code, again.json()["type"]) == (409, "/problems/run-has-ended")

    # What was cancelled can be run again, and the build file is none the worse for it.
    retried = service.http.post(f"/runs/{run['id']}/retry").json()
    assert retried["id"] != run["id"]
    assert service.until_ended(retried["id"])["state"]["type"] == "COMPLETED"


def test_a_waiting_run_is_cancelled_at_once(service: RunningService):
    first = service.trigger("dept=9&full=true")
    second = service.trigger("dept=31")
    too_early = service.http.post(f"/runs/{second['id']}/retry")
    assert (too_early.status_code, too_early.json()["type"]) == (409, "/problems/run-has-not-ended")
    assert service.http.post(f"/runs/{second['id']}/cancel").json()["state"]["type"] in ("CANCELLED", "CANCELLING")
    assert service.until_ended(second["id"])["state"]["type"] == "CANCELLED"
    assert service.until_ended(first["id"])["state"]["type"] == "COMPLETED"


def test_a_killed_run_is_reported_as_crashed_and_the_next_one_runs(service: RunningService):
    run = service.trigger("dept=9&full=true")
    service.until(lambda: service.http.get(f"/runs/{run['id']}").json()["packets"], "the run's first packet")
    holder = json.loads((service.data_dir / "build" / "writer.json").read_text())
    os.kill(holder["pid"], signal.SIGKILL)
    ended = service.until_ended(run["id"])
    assert ended["state"]["type"] == "CRASHED"
    assert ended["error"]
    following = service.trigger("dept=9&full=true")
    assert following["id"] != run["id"]
    assert service.until_ended(following["id"])["state"]["type"] == "COMPLETED"


def test_a_foreign_page_changes_nothing_through_prefects_api(service: RunningService):
    foreign = {"Origin": "https://evil.example"}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    with httpx.Client(base_url=service.prefect_url, timeout=60) as page:
        preflight = page.options("/deployments/filter", headers=foreign | asked)
        assert "access-control-allow-origin" not in preflight.headers
        read = page.get("/admin/version", headers=foreign)
        assert "access-control-allow-origin" not in read.headers
        # What a page may send without a preflight, as text: refused without the UI's token.
        sent = page.post("/deployments/filter", content="{}", headers=foreign | {"Content-Type": "text/plain"})
    assert sent.status_code == 403


def test_the_ui_of_prefect_is_served_to_its_own_origin(service: RunningService):
    own = service.prefect_url.removesuffix("/api")
    with httpx.Client(base_url=service.prefect_url, timeout=60) as page:
        read = page.get("/admin/version", headers={"Origin": own})
    assert read.headers["access-control-allow-origin"] == own


def test_a_run_cannot_choose_its_environment_or_command(service: RunningService, tmp_path: Path):
    chosen = {"env": {"DATA_DIR": str(tmp_path / "theirs"), "METEOFRANCE_SOURCE": "meteofrance"}, "command": "false"}
    with prefect_ui(service.prefect_url) as prefect:
        deployment = prefect.get("/deployments/name/weather_hourly_pipeline/weather-hourly-deployment").json()
        order = {"parameters": {"dept": "9", "full": True}, "job_variables": chosen}
        refused = prefect.post(f"/deployments/{deployment['id']}/create_flow_run", json=order)
        # A pool whose template was opened again does not help: our worker passes nothing on.
        template = prefect.get("/work_pools/girouette").json()["base_job_template"]
        opened = template | {"variables": template["variables"] | {"additionalProperties": True}}
        prefect.patch("/work_pools/girouette", json={"base_job_template": opened}).raise_for_status()
        made = prefect.post(f"/deployments/{deployment['id']}/create_flow_run", json=order).json()
        run = service.until_ended(made["id"])
        prefect.patch("/work_pools/girouette", json={"base_job_template": template}).raise_for_status()
    assert 400 <= refused.status_code < 500, refused.text
    assert run["state"]["type"] == "COMPLETED"
    assert "source demo" in run["state"]["message"]
    assert not (tmp_path / "theirs").exists()


def test_a_run_asked_for_in_prefects_own_ui_is_taken(service: RunningService):
    with prefect_ui(service.prefect_url) as prefect:
        deployment = prefect.get("/deployments/name/weather_hourly_pipeline/weather-hourly-deployment").json()
        made = prefect.post(f"/deployments/{deployment['id']}/create_flow_run", json={"parameters": {"dept": "31"}})
        run = service.until_ended(made.raise_for_status().json()["id"])
        assert run["state"]["type"] == "COMPLETED"
        # For all that the worker asks seldom, Prefect's UI shows its queue as polled.
        queue = prefect.get("/work_pools/girouette/queues/default").json()
    assert queue["status"] == "READY"
    assert datetime.now(UTC) - datetime.fromisoformat(queue["last_polled"]) < timedelta(seconds=60)


def test_an_idempotency_key_gives_the_same_run_again(service: RunningService):
    key = {"Idempotency-Key": "tuesday"}
    first = service.http.post("/runs?dept=9", headers=key).json()
    service.until_ended(first["id"])
    assert service.http.post("/runs?dept=09", headers=key).json()["id"] == first["id"]
    other = service.http.post("/runs?dept=31", headers=key)
    assert (other.status_code, other.json()["field"]) == (422, "Idempotency-Key")


def test_runs_are_listed_in_pages_without_gap_or_double(service: RunningService):
    for _ in range(3):
        service.until_ended(service.trigger("dept=9")["id"])
    everything = [run["id"] for run in service.http.get("/runs?limit=100").json()["runs"]]
    paged, cursor = [], ""
    while cursor is not None:
        page = service.http.get("/runs", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        paged += [run["id"] for run in page["runs"]]
        cursor = page["next"]
    assert paged == everything
    assert service.http.get("/runs?dept=75").json()["runs"] == []
    completed = service.http.get("/runs?state=COMPLETED&dept=9").json()["runs"]
    assert {run["state"]["type"] for run in completed} == {"COMPLETED"}
    assert service.http.get("/runs?since=2100-01-01T00:00:00Z").json()["runs"] == []


def planned_by_prefect(url: str) -> int:
    """Count the automatic runs still to come: none ever comes when Prefect's scheduler fails."""
    ahead = {
        "expected_start_time": {"after_": datetime.now(UTC).isoformat()},
        "state": {"type": {"any_": ["SCHEDULED"]}},
    }
    named = {"name": {"any_": ["weather-hourly-deployment"]}}
    with prefect_ui(url) as prefect:
        answer = prefect.post("/flow_runs/count", json={"flow_runs": ahead, "deployments": named})
    return int(answer.json())


def test_the_schedule_is_paused_changed_and_resumed(service: RunningService):
    before = service.http.get("/schedule").json()
    assert (before["cron"], before["active"], len(before["next"])) == ("0 * * * *", True, 5)
    paused = service.http.patch("/schedule", json={"active": False}).json()
    assert (paused["active"], paused["next"]) == (False, [])
    changed = service.http.patch("/schedule", json={"cron": "12 3 * * *", "departments": ["Gard", "9"]}).json()
    assert (changed["cron"], changed["active"]) == ("12 3 * * *", False)
    assert [d["code"] for d in changed["departments"]] == ["30", "9"]
    assert planned_by_prefect(service.prefect_url) == 0
    as_before = {"active": True, "cron": "0 * * * *", "departments": ["9", "31"]}
    resumed = service.http.patch("/schedule", json=as_before).json()
    assert resumed["active"]
    assert all(time.endswith(":00:00Z") for time in resumed["next"])
    service.until(lambda: planned_by_prefect(service.prefect_url), "runs planned by Prefect")
    for wrong, field in (
        ({"cron": "61 * * * *"}, "cron"),
        ({"departments": ["Nowhere"]}, "dept"),
        ({"often": 1}, "often"),
    ):
        answer = service.http.patch("/schedule", json=wrong)
        assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_metrics_tell_runs_rows_and_ages(service: RunningService):
    text = service.http.get("/metrics").text
    assert 'girouette_runs{state="COMPLETED"}' in text
    assert 'girouette_rows{table="marts.hourly_observations"}' in text
    assert 'girouette_last_run_step_seconds{step="ingest"}' in text
    assert "girouette_newest_observation_age_seconds" in text
    assert 'girouette_requests_total{method="POST",route="/runs",status="202"}' in text


def test_a_second_service_on_the_directory_follows_and_passes_runs_on(service: RunningService):
    follower = RunningService(service.data_dir, service.prefect_url)
    try:
        follower.until_ready()
        ready = follower.http.get("/health/ready").json()
        assert (ready["role"], ready["parts"]["worker"]["state"]) == ("follower", "elsewhere")
        run = follower.trigger("dept=9")
        assert follower.until_ended(run["id"])["state"]["type"] == "COMPLETED"
    finally:
        assert follower.stop() == 0
    assert service.http.get("/health/ready").json()["role"] == "leader"

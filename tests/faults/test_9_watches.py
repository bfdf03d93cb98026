"""Promise 9: an event is told once in and once out, whatever becomes of the service meanwhile.

Real parts: the service with Prefect and its worker, the demo source behind HTTP at an hour that the test sets, and a
server that takes messages as apprise's `json://` sends them.
"""

import os
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from receiver import Receiver, running_receiver
from running_service import ENDED, RunningService, free_port, until_gone
from upstream import NOW, Upstream

from benchmarks.prefect_ui import prefect_ui
from ingestion.demo.faults import Fault, FaultKind
from ingestion.paths import DataPaths
from orchestration.progress import read_records

pytestmark = [pytest.mark.xdist_group("watches"), pytest.mark.slow, pytest.mark.timeout(1800)]

# What the demo source measures at 09023002 in the night to 20 November: 0.2 at 01 h, -0.5 at 02 h, -0.1 at 07 h,
# 1.1 at 08 h. With a hysteresis of 1 °C it is over at 08 h.
STATION = "09023002"
FIRST_HOUR, LAST_HOUR = -7, 5  # from 22 h to 10 h UTC, as NOW is 05:12
# Hours at which the service is killed in the middle of the run: the first frost, and the end of it.
KILLED_AT = {-3, 3}

Tally = Callable[[str], None]


class Night:
    """The service on one data directory, started again after each kill."""

    def __init__(self, data_dir: Path, upstream: Upstream, receiver: Receiver) -> None:
        self.data_dir, self.upstream, self.receiver = data_dir, upstream, receiver
        self.prefect_url = f"http://127.0.0.1:{free_port()}/api"
        self.start()

    def start(self) -> None:
        self.service = RunningService(
            self.data_dir,
            self.prefect_url,
            RATE_LIMIT_CHANGES="999/minute",
            SCHEDULE_CRON="0 0 1 1 *",
            ALERT_URLS=f"{self.receiver.url}/operator",
            MAX_ATTEMPTS="1",
            **{name: value for name, value in self.upstream.environment.items() if name != "MAX_ATTEMPTS"},
        )
        self.service.until_ready()

    def run(self, hour: int, *faults: Fault) -> str:
        self.upstream.reset(*faults, now=NOW + timedelta(hours=hour), retention_hours=24)
        run_id = self.service.trigger("dept=9")["id"]
        return self.service.until(lambda: self.end_of(run_id), f"the end of run {run_id}")

    def end_of(self, run_id: str) -> str | None:
        answer = self.service.http.get(f"/runs/{run_id}")  # 503 while Prefect is too busy to answer
        state = answer.json()["state"]["type"] if answer.status_code == 200 else None
        return state if state in ENDED else None

    def kill_in_a_run(self, hour: int) -> None:
        self.upstream.reset(now=NOW + timedelta(hours=hour), retention_hours=24)
        run_id = self.service.trigger("dept=9")["id"]
        paths = DataPaths(self.data_dir)
        self.service.until(lambda: any(r["kind"] == "node" for r in read_records(paths, run_id)), "dbt's first node")
        family = [psutil.Process(self.service.process.pid), *self.service.processes()]
        os.kill(self.service.process.pid, signal.SIGKILL)
        self.service.process.wait()
        for process in family[1:]:
            if process.is_running():
                process.kill()
        until_gone(family[1:])
        self.start()

    def to(self, path: str) -> list[str]:
        return [message["title"] for message in self.receiver.messages if message["path"] == path]

    def prefect_events(self) -> list[str]:
        asked = {"filter": {"event": {"prefix": ["girouette."]}, "order": "ASC"}, "limit": 50}
        with prefect_ui(self.prefect_url) as prefect:
            answer = prefect.post("/events/filter", json=asked).raise_for_status()
        return [event["event"] for event in answer.json()["events"]]


@pytest.fixture(scope="module")
def night(upstream_server: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    upstream_server.reset(now=NOW + timedelta(hours=FIRST_HOUR), retention_hours=12)
    with running_receiver() as receiver:
        started = Night(tmp_path_factory.mktemp("night") / "data", upstream_server, receiver)
        yield started
        started.service.stop()


def test_a_frost_night_hour_by_hour_with_two_kills_is_one_message_in_and_one_out(night: Night, tally: Tally):
    wish = {
        "name": "Orchard",
        "stations": [STATION],
        "condition": "temperature_c < 0",
        "hysteresis": 1,
        "notify": f"{night.receiver.url}/orchard",
    }
    assert night.service.http.post("/watches", json=wish).status_code == 201
    seen = []
    for hour in range(FIRST_HOUR, LAST_HOUR + 1):
        if hour in KILLED_AT:
            night.kill_in_a_run(hour)
            tally("service killed in the middle of a run")
        assert night.run(hour) == "COMPLETED"
        seen.append(len(night.to("/orchard")))
    assert [title.partition(" at ")[0] for title in night.to("/orchard")] == [
        "Orchard: temperature_c < 0",
        "Over: Orchard: temperature_c < 0",
    ]
    # None before 02 h, one from then on, two from 08 h on.
    assert seen == [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2]
    texts = [message["message"] for message in night.receiver.messages if message["path"] == "/orchard"]
    assert texts[0].startswith("Since 2026-11-20 02:00 UTC: temperature_c -0.5")
    assert "until 2026-11-20 08:00 UTC." in texts[1]
    [watch] = night.service.http.get("/watches").json()["watches"]
    assert [message["kind"] for message in watch["messages"]] == ["over", "began"]
    events = night.service.until(lambda: [e for e in night.prefect_events() if ".watch." in e][1:], "both events")
    assert events[-1] == "girouette.watch.over"


def test_the_operator_hears_of_failing_runs_and_a_refused_token_and_of_their_end(night: Night, tally: Tally):
    refused = Fault(FaultKind.UNAUTHORIZED, times=None)
    for _ in range(2):
        assert night.run(LAST_HOUR + 1, refused) == "FAILED"
    told = lambda *titles: night.service.until(lambda: set(titles) <= set(night.to("/operator")), str(titles))  # noqa: E731
    told("Attention: token refused", "Attention: runs failing")
    reason = night.service.http.get("/health/ready").json()["parts"]["alerts"]["reason"]
    assert "token was refused" in reason
    assert 'girouette_alert{condition="runs_failing"} 1.0' in night.service.http.get("/metrics").text
    assert night.run(LAST_HOUR + 2) == "COMPLETED"
    told("Over: token refused", "Over: runs failing", "Attention: stale")  # the demo's hours are of the past
    for title in ("Attention: token refused", "Attention: runs failing", "Over: token refused"):
        assert night.to("/operator").count(title) == 1
    found = night.service.until(
        lambda: (
            {"girouette.alert.token_refused.began", "girouette.alert.token_refused.over"} <= set(night.prefect_events())
        ),
        "Prefect's events of the alert",
    )
    assert found
    tally("token refused in two runs")


def test_no_address_is_in_a_record_a_log_or_an_answer(night: Night):
    secret = "/operator"
    assert secret not in night.service.log.read_text()
    for file in night.data_dir.rglob("*"):
        if file.is_file() and file.suffix in (".jsonl", ".log", ".json") and file.stat().st_size:
            assert secret not in file.read_text(errors="replace"), file
    assert "/orchard" not in night.service.http.get("/watches").text

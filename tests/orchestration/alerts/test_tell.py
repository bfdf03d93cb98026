"""The operator's messages, from real packets and a real snapshot to a real HTTP server."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import stamina
from upstream import NOW

from ingestion.demo.faults import Fault, FaultKind
from ingestion.departments import resolve_all
from ingestion.settings import get_settings as get_ingestion_settings
from ingestion.sources import SOURCES
from orchestration.alerts.conditions import find_alerts
from orchestration.alerts.facts import EndedRun, read_snapshot_facts
from orchestration.alerts.tell import open_alerts, tell_operator
from orchestration.flow import _facts
from orchestration.notices.outbox import count_notices, send_due
from orchestration.pipeline import plain_steps
from orchestration.progress import note
from orchestration.runs.runs import Runs
from orchestration.service.attention import Attention
from orchestration.settings import OrchestrationSettings, get_settings
from orchestration.snapshots.snapshots import record_check, served_snapshot

pytestmark = pytest.mark.xdist_group("watches")

RUN = EndedRun("run", is_good=True, message="")


@pytest.fixture(autouse=True)
def no_waiting():
    with stamina.set_testing(True, attempts=1, cap=True):
        yield


@pytest.fixture
def attention(published, monkeypatch):
    settings = OrchestrationSettings(_env_file=None, alert_hours=6)
    runs = Runs(settings.prefect_api_url, published, lambda: None)
    return Attention(runs, settings, published, lambda: False, dict, lambda: resolve_all(["9"]))


@pytest.fixture
def fetch(published, upstream):
    """Ingest the packets as a run does, and write its record."""

    def ingest(*faults: Fault, now=NOW + timedelta(hours=1)) -> None:
        upstream.reset(*faults, now=now)
        (published.run_records / "run.jsonl").unlink(missing_ok=True)
        ingestion = get_ingestion_settings()
        steps = plain_steps(ingestion, get_settings(), None, print)
        for request, outcome in steps.ingest_all(SOURCES["meteofrance"].plan(resolve_all(["9"]), now)):
            note(published, "run", "packet", name=request.label, **_facts(outcome))

    return ingest


def alerts_of(attention, published):
    return {alert.condition: alert for alert in find_alerts(attention.gather(served_snapshot(published), [RUN])).alerts}


@pytest.mark.parametrize(
    ("kind", "condition", "words"),
    [
        (FaultKind.UNAUTHORIZED, "token_refused", "token was refused"),
        (FaultKind.MISSING_COLUMN, "columns_changed", "changed what it sends, Ariège (9)"),
        (FaultKind.EXTRA_COLUMN, "columns_changed", "columns that are not known: "),
    ],
)
def test_faults_of_real_packets_are_found_and_over_with_the_next_good_run(
    attention, published, fetch, kind, condition, words
):
    fetch(Fault(kind, department="9", times=None))
    assert words in alerts_of(attention, published)[condition].text
    fetch(now=NOW + timedelta(hours=2))
    assert condition not in alerts_of(attention, published)


def test_a_token_that_ends_soon_is_found(attention, published, monkeypatch):
    end = datetime.now(UTC) + timedelta(days=3)
    claims = base64.urlsafe_b64encode(json.dumps({"exp": end.timestamp()}).encode()).decode().rstrip("=")
    monkeypatch.setenv("METEOFRANCE_TOKEN", f"head.{claims}.tail")
    get_ingestion_settings.cache_clear()
    assert alerts_of(attention, published)["token_ending"].text == f"METEOFRANCE_TOKEN ends on {end:%Y-%m-%d}"


def test_a_snapshot_tells_its_newest_hours_and_its_findings(published, query):
    snapshot = served_snapshot(published)
    facts = read_snapshot_facts(published, snapshot)
    assert facts.newest_of == {"9": NOW.replace(minute=0)}
    [(found,)] = query(
        published.published, "select count(*) from meta.quality_findings where observed_at <= '2026-11-20 05:00:00+00'"
    )
    assert (facts.findings_today, facts.findings_usual) == (found, None)  # twelve hours are no week


def test_an_alert_goes_to_each_address_once_and_ends_once_across_restarts(attention, published, receiver, upstream):
    record_check(published, served_snapshot(published))  # a run looked now, and NOW is long ago
    addresses = (f"{receiver.url}/first", "json://127.0.0.1:9/nobody")
    for _ in range(3):  # nothing is kept in memory: each is a restart
        verdict = find_alerts(attention.gather(served_snapshot(published), [RUN]))
        tell_operator(published, verdict, addresses)
        send_due(published, addresses)
    assert [(m["title"], m["path"]) for m in receiver.messages] == [("Attention: stale", "/first")]
    body = receiver.messages[0]["message"].splitlines()
    assert body[0].startswith("No new observation since 2026-11-20 05:00 UTC, ")
    assert body[1].startswith("Next: look at GET /schedule")
    assert [alert.condition for alert in open_alerts(published)] == ["stale"]
    assert count_notices(published).unsent == 1  # the address that nobody answers

    added = f"{receiver.url}/second"  # told of what is on
    tell_operator(published, verdict, (*addresses, added))
    send_due(published, (*addresses, added))
    tell_operator(published, replace(verdict, alerts=()), (*addresses, added))
    send_due(published, (*addresses, added))
    assert [(m["title"], m["path"]) for m in receiver.messages[1:2]] == [("Attention: stale", "/second")]
    assert {(m["title"], m["path"]) for m in receiver.messages[2:]} == {
        ("Over: stale", "/first"),
        ("Over: stale", "/second"),
    }
    assert len(receiver.messages) == 4
    assert open_alerts(published) == []
    assert tell_operator(published, replace(verdict, alerts=()), addresses) == []


def test_a_run_without_alert_urls_leaves_the_operators_messages(attention, published, receiver):
    verdict = find_alerts(attention.gather(served_snapshot(published), [replace(RUN, is_good=False)] * 2))
    tell_operator(published, verdict, [receiver.url])
    assert send_due(published, ()) == 0
    assert send_due(published, [receiver.url]) == 1


def test_what_is_not_known_ends_nothing(attention, published):
    verdict = find_alerts(attention.gather(served_snapshot(published), [replace(RUN, is_good=False)] * 2))
    assert [change.alert.condition for change in tell_operator(published, verdict, ())] == ["runs_failing"]
    unknown = find_alerts(attention.gather(served_snapshot(published), None))
    assert tell_operator(published, unknown, ()) == []
    assert [alert.condition for alert in open_alerts(published)] == ["runs_failing"]


def test_addresses_are_in_no_file_of_the_data_folder_and_in_no_setting_shown(published, attention, receiver):
    secret = "the-secret-topic"
    settings = OrchestrationSettings(
        _env_file=None, alert_urls=f"{receiver.url}/{secret}, mailtos://a:b@c.example?to=d,e"
    )
    assert len(settings.alert_addresses) == 2  # the comma within an address parts nothing
    verdict = find_alerts(attention.gather(served_snapshot(published), [replace(RUN, is_good=False)] * 2))
    tell_operator(published, verdict, settings.alert_addresses)
    send_due(published, settings.alert_addresses)
    assert receiver.titles == ["Attention: runs failing"]
    assert secret not in repr(settings)
    assert secret.encode() not in published.notices.read_bytes()


def test_an_address_that_is_none_ends_the_start_with_one_line_without_it(monkeypatch):
    monkeypatch.setenv("ALERT_URLS", "my-secret-topic")
    get_settings.cache_clear()
    with pytest.raises(SystemExit) as ended:
        get_settings()
    assert str(ended.value).startswith("error: ALERT_URLS: the address to notify is none that a watch can use")
    assert "my-secret" not in str(ended.value)

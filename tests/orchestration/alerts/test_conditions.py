"""Each condition: provoked by values seen by eye, its text, and its end."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ingestion.departments import resolve_all
from orchestration.alerts.conditions import CONDITIONS, find_alerts
from orchestration.alerts.facts import EndedRun, Facts, SnapshotFacts

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
GOOD, BAD = EndedRun("a", is_good=True, message="published"), EndedRun("b", is_good=False, message="dbt failed")
NEWEST = NOW - timedelta(hours=1)
WELL = Facts(
    now=NOW,
    hours=6,
    started_at=NOW - timedelta(days=9),
    checked_at=NOW,
    snapshot=SnapshotFacts("000002", NEWEST, {"9": NEWEST, "31": NEWEST}, 10, 12.0),
    departments=resolve_all(["9", "31"]),
    runs=[GOOD, GOOD],
    packets=[{"name": "Ariège (9)", "new": 20, "changed": 0, "rejected": 0, "left": 0}],
    free_bytes=5_000_000_000,
    needed_bytes=1_300_000_000,
)


def snapshot(**changes):
    return replace(WELL, snapshot=replace(WELL.snapshot, **changes))


def packets(**facts):
    return replace(WELL, packets=[{"name": "Ariège (9)", "new": 0, "changed": 0, **facts}])


def failed(kind: str):
    return replace(
        WELL,
        packets=[{"name": "Ariège (9)", "error": "token refused (9): make a new one", "error_kind": kind}],
    )


PROVOKED = {
    "stale": snapshot(newest=NOW - timedelta(hours=7), newest_of={}),
    "runs_failing": replace(WELL, runs=[BAD, BAD, GOOD]),
    "token_refused": failed("TokenRefused"),
    "token_ending": replace(WELL, token_notice="METEOFRANCE_TOKEN ends on 2026-11-25: make a new one"),
    "columns_changed": packets(extra_columns=["t_10"]),
    "findings": snapshot(findings_today=37),
    "rows_lost": packets(rejected=3),
    "disk": replace(WELL, free_bytes=1_200_000_000),
    "department_silent:31": snapshot(newest_of={"9": NEWEST, "31": NEWEST - timedelta(hours=6)}),
    "service": replace(WELL, unwell={"worker": "it ended"}),
}


def test_every_condition_is_provoked_here():
    assert {name.partition(":")[0] for name in PROVOKED} == set(CONDITIONS)


def test_a_service_that_is_well_has_nothing_to_say():
    assert find_alerts(WELL).alerts == []
    assert find_alerts(WELL).unknown == frozenset()


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        ("stale", "no new observation since 2026-11-20 05:00 UTC, 7 h ago, although runs work"),
        ("runs_failing", "the last 2 runs failed, the newest with: dbt failed"),
        ("token_refused", "token refused (9)"),
        ("token_ending", "METEOFRANCE_TOKEN ends on 2026-11-25"),
        ("columns_changed", "Météo-France sends columns that are not known: t_10"),
        ("findings", "37 impossible or suspicious readings in 24 hours, 12 a day in the week before"),
        ("rows_lost", "packets lost rows: Ariège (9): 3 rows rejected"),
        ("disk", "the data folder's disk is nearly full: 1.2 GB free, and publications may soon need 1.3 GB"),
        (
            "department_silent:31",
            "Haute-Garonne (31) sends no observation (none since 2026-11-20 05:00 UTC), while others do",
        ),
        ("service", "not well: worker: it ended"),
    ],
)
def test_a_condition_is_told_alone_with_its_text_and_a_next_step(condition, text):
    [alert] = find_alerts(PROVOKED[condition]).alerts
    assert (alert.condition, alert.text) == (condition, text)
    assert alert.next_step


@pytest.mark.parametrize(
    "facts",
    [
        snapshot(newest=NOW - timedelta(hours=5.9), newest_of={}),
        replace(WELL, runs=[BAD, GOOD]),  # one is made up for by the next
        replace(WELL, runs=[BAD]),
        failed("UpstreamDown"),
        snapshot(findings_today=36),  # three times as many is not more than three times
        snapshot(findings_today=19, findings_usual=0.0),
        replace(WELL, free_bytes=1_300_000_000),
        snapshot(newest_of={"9": NEWEST, "31": NEWEST - timedelta(hours=5)}),
        snapshot(newest_of={"9": NEWEST}),  # 31 never sent anything, and no packet failed
    ],
)
def test_just_below_nothing_is_told(facts):
    assert find_alerts(facts).alerts == []


def test_failing_runs_are_not_called_stale_and_nothing_is_known_of_the_rest():
    facts = replace(PROVOKED["stale"], runs=[BAD, GOOD])
    verdict = find_alerts(facts)
    assert (verdict.alerts, verdict.unknown) == ([], {"stale"})


def test_a_service_that_slept_says_nothing_before_a_run_has_looked():
    asleep = replace(PROVOKED["stale"], checked_at=NOW - timedelta(hours=6, minutes=50), started_at=NOW)
    assert find_alerts(asleep).alerts == []
    assert [a.condition for a in find_alerts(replace(asleep, checked_at=NOW)).alerts] == ["stale"]
    assert [a.condition for a in find_alerts(replace(asleep, started_at=NOW - timedelta(hours=6))).alerts] == ["stale"]


def test_a_departement_that_never_sent_anything_is_silent_when_its_packet_fails():
    facts = replace(
        snapshot(newest_of={"9": NEWEST}),
        packets=[{"name": "Haute-Garonne (31)", "error": "down", "error_kind": "UpstreamDown"}],
    )
    [alert] = find_alerts(facts).alerts
    assert alert.text == "Haute-Garonne (31) sends no observation (none yet), while others do"


def test_unchanged_packets_and_a_silent_prefect_leave_what_was():
    assert find_alerts(packets()).unknown == {"columns_changed"}
    unknown = find_alerts(replace(WELL, runs=None, packets=None)).unknown
    assert unknown == {"stale", "runs_failing", "token_refused", "columns_changed", "rows_lost"}


def test_the_disk_is_well_again_only_with_some_room_to_spare():
    facts = replace(WELL, free_bytes=1_400_000_000)
    assert [a.condition for a in find_alerts(facts, {"disk"}).alerts] == ["disk"]
    assert find_alerts(replace(facts, free_bytes=1_560_000_000), {"disk"}).alerts == []


@pytest.mark.parametrize("kind", ["AllRowsRejected", "NotWhatWasAsked", "CorrectionHeld"])
def test_packets_that_were_refused_for_their_rows_lost_them(kind):
    assert [a.text for a in find_alerts(failed(kind)).alerts] == ["packets lost rows: Ariège (9): token refused (9)"]


def test_stations_that_left_the_list_are_told():
    facts = replace(WELL, packets=[{"name": "station list", "new": 1, "changed": 0, "rejected": 0, "left": 2}])
    assert [a.text for a in find_alerts(facts).alerts] == [
        "packets lost rows: station list: 2 rows are no longer listed"
    ]

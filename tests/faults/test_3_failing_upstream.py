"""Promise 3: whatever upstream does, raw stays true, the fault is told in one line, and the next run catches up.

Each fault of one request has its row in tests/ingestion/test_ingest.py; here whole runs meet them.
"""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from run_fixtures import query_file
from upstream import NOW, Upstream
from victim import Victim, third_hour
from warm_runs import UNTROUBLED, WarmRuns

from ingestion.demo.faults import Fault, FaultKind
from ingestion.departments import all_departments
from ingestion.paths import DataPaths
from orchestration.snapshots.snapshots import served_snapshot

pytestmark = pytest.mark.xdist_group("faults-warm")

Tally = Callable[[str], None]

# What a run says when every packet suffers this fault for as long as the run lasts.
LASTING = {
    FaultKind.UNAUTHORIZED: "token was refused",
    FaultKind.FORBIDDEN: "no subscription",
    FaultKind.NOT_FOUND: "nothing is served at",
    FaultKind.BAD_REQUEST_XML: "Contrôle de paramètres",
    FaultKind.TOO_MANY_REQUESTS: "quota is used up",
    FaultKind.SERVER_ERROR: "last: 500",
    FaultKind.BAD_GATEWAY: "last: 502",
    FaultKind.UNAVAILABLE: "last: 503",
    FaultKind.GATEWAY_TIMEOUT: "last: 504",
    FaultKind.REDIRECT_LOOP: "redirects are not followed",
    FaultKind.READ_TIMEOUT: "ReadTimeout",
    FaultKind.STALLED_BODY: "ReadTimeout",
    FaultKind.READ_ERROR: "RemoteProtocolError",
    FaultKind.TRUNCATED_BODY: "cut short",
    FaultKind.CUT_GZIP: "cut short",
    FaultKind.EMPTY_BODY: "it is empty",
    FaultKind.HTML_PAGE: "not a packet",
    FaultKind.WRONG_DELIMITER: "separated by commas",
    FaultKind.ENDLESS_BODY: "larger than 64 MB",
    FaultKind.MISSING_COLUMN: "missing validity_time",
}
FAST = (FaultKind.HTML_PAGE,)


def rows_of_raw(paths: DataPaths) -> list[tuple[object, ...]]:
    return query_file(paths.build_file, "from raw.observations order by all")


def check_fault(victim: Victim, kind: FaultKind, words: str) -> None:
    """Every packet of a run has this fault; the next run has none."""
    victim.restore()
    before, raw = victim.check_served(), rows_of_raw(victim.paths)
    upstream = victim.upstream
    upstream.reset(Fault(kind, path="paquet", times=None), now=upstream.now, retention_hours=14)
    # Long enough for 64 MB on a busy machine, but for those that send nothing.
    patience = "0.5" if "ReadTimeout" in words else "30"
    told = victim.run(MAX_ATTEMPTS="1", READ_TIMEOUT_SECONDS=patience)
    assert (told.is_good, told.is_told) == (False, True), told
    assert words in told.text
    assert "\n" not in told.text
    assert victim.check_served() == before
    assert rows_of_raw(victim.paths) == raw
    third_hour(upstream)
    victim.check_recovered()


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=() if k in FAST else pytest.mark.slow) for k in LASTING], ids=str
)
def test_a_run_that_gets_no_packet_changes_nothing_and_the_next_one_catches_up(
    victim: Victim, tally: Tally, kind: FaultKind
) -> None:
    check_fault(victim, kind, LASTING[kind])
    tally("every packet of a run, then none: 2 runs")


@pytest.mark.slow
def test_an_hour_of_errors_is_made_up_for(victim: Victim, tally: Tally) -> None:
    """500 at every try of three runs, and a storm of 429 at the fourth."""
    before = victim.check_served()
    kinds = [FaultKind.SERVER_ERROR] * 3 + [FaultKind.TOO_MANY_REQUESTS]
    for kind in kinds:
        victim.upstream.reset(Fault(kind, times=None, retry_after=1), now=victim.upstream.now, retention_hours=14)
        assert not victim.run(MAX_ATTEMPTS="2").is_good
        assert victim.check_served() == before
    third_hour(victim.upstream)
    victim.check_recovered()
    tally(f"{len(kinds)} runs of errors, then none")


def check_one_of_many(
    upstream: Upstream, warm: WarmRuns, data_dir: Path, departments: list[str], kind: FaultKind
) -> None:
    """One département fails: the others are published, it is named, and the next run brings it."""
    failing = departments[len(departments) // 2]
    label = next(f"{d.name} ({d.code})" for d in all_departments() if d.code == failing)
    upstream.reset(Fault(kind, department=failing, path="paquet", times=None), retention_hours=3)
    environment = {**upstream.environment, "DATA_DIR": str(data_dir), "MAX_ATTEMPTS": "1"}
    first = warm.start(environment, UNTROUBLED, *departments).outcome()
    assert first.is_good, first.text
    assert f"not loaded: {label}" in first.text
    paths = DataPaths(data_dir)
    assert set(served_snapshot(paths).departments) == set(departments) - {failing}
    failed = query_file(paths.build_file, "select distinct department_code from meta.loads where status = 'failed'")
    assert failed in ([], [(failing,)])

    upstream.reset(now=NOW + timedelta(hours=1), retention_hours=4)
    second = warm.start(environment, UNTROUBLED, *departments).outcome()
    assert second.is_good
    assert "not loaded" not in second.text
    assert set(served_snapshot(paths).departments) == set(departments)
    since = query_file(
        paths.published,
        f"select min(observed_at) from marts.hourly_observations where department_code = '{failing}'",
    )
    assert since <= query_file(paths.published, "select min(observed_at) from marts.hourly_observations")


@pytest.mark.parametrize("kind", [FaultKind.UNAUTHORIZED])
def test_one_departement_that_fails_is_named_and_brought_by_the_next_run(
    upstream: Upstream, warm: WarmRuns, data_dir: Path, tally: Tally, kind: FaultKind
) -> None:
    check_one_of_many(upstream, warm, data_dir, ["9", "31", "65"], kind)
    tally("1 of 3 départements, then none: 2 runs")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [FaultKind.SERVER_ERROR, FaultKind.HTML_PAGE])
def test_one_departement_of_a_hundred_fails(
    upstream: Upstream, warm: WarmRuns, data_dir: Path, tally: Tally, kind: FaultKind
) -> None:
    check_one_of_many(upstream, warm, data_dir, [d.code for d in all_departments()][:100], kind)
    tally("1 of 100 départements, then none: 2 runs")

"""Two workers and two readers; then a host, the store, Postgres and Prefect are lost in mid-run."""

import sys
import time
from collections.abc import Iterator

import pytest
from running_hosts import Hosts, running_hosts

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("hosts")]

QUESTIONS = (
    "/warehouse/latest",
    "/warehouse/latest?format=csv",
    "/warehouse/tables/marts/hourly_observations?limit=1000&format=csv",
    "/warehouse/stations",
    "/quality",
    "/warehouse/download",
)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    with running_hosts(tmp_path_factory.mktemp("hosts")) as hosts:
        yield hosts


def say(line: str) -> None:
    """Shown with `-s`: how long things took is shown, not asserted."""
    sys.stdout.write(f"{line}\n")


def assert_readers_are_equal(hosts: Hosts) -> None:
    served = hosts.until_all_serve(None)  # named, as another may be published meanwhile
    for question in QUESTIONS:
        answers = [
            reader.http.get(f"{question}{'&' if '?' in question else '?'}snapshot={served}") for reader in hosts.readers
        ]
        assert {answer.status_code for answer in answers} == {200}, question
        assert answers[0].content == answers[1].content, question
        assert answers[0].headers["ETag"] == answers[1].headers["ETag"], question


def newest_hours(hosts: Hosts) -> list[tuple[str, str]]:
    rows = hosts.alone.http.get("/warehouse/tables/marts/hourly_observations?limit=100000").json()["data"]
    return [(row["station_id"], row["observed_at"]) for row in rows]


def test_1_a_run_asked_of_a_reader_is_served_by_all(hosts: Hosts):
    served = hosts.until_all_serve(None)  # the workers' own first run
    assert_readers_are_equal(hosts)
    run = hosts.until_state(hosts.trigger(), "COMPLETED")
    published = time.monotonic()
    assert hosts.until_all_serve(served) in run["state"]["message"]
    say(f"served by both readers {time.monotonic() - published:.1f} s after the run was seen Completed")
    assert_readers_are_equal(hosts)
    refused = hosts.alone.http.post("/runs?dept=9")
    assert (refused.status_code, refused.json()["type"]) == (503, "/problems/no-prefect")


def test_2_a_host_that_is_lost_in_mid_run_is_taken_over(hosts: Hosts):
    before = hosts.until_all_serve(None)
    rows = newest_hours(hosts)
    run_id = hosts.trigger()
    run = hosts.until_state(run_id, "RUNNING")
    lost = hosts.worker_of(run)
    lost.cut_power()
    cut = time.monotonic()
    run = hosts.until_state(run_id, "CRASHED", seconds=240)
    crashed = time.monotonic() - cut
    assert run["state"]["name"] == "HostLost"
    hosts.until_all_serve(before, seconds=240)
    say(f"Crashed {crashed:.0f} s after the power was cut, published by the other after {time.monotonic() - cut:.0f} s")
    assert_readers_are_equal(hosts)
    after = newest_hours(hosts)
    assert len(after) == len(set(after))  # nothing twice
    assert set(rows) <= set(after)  # nothing lost
    lost.start()


def test_3_without_the_store_nothing_is_published_and_reads_go_on(hosts: Hosts):
    before = hosts.until_all_serve(None)
    run_id = hosts.trigger()
    hosts.until_state(run_id, "RUNNING")
    hosts.seaweed.kill()
    run = hosts.until_state(run_id, "FAILED", "COMPLETED", seconds=240)
    assert {reader.served() for reader in hosts.readers} == {before}
    assert_readers_are_equal(hosts)
    health = hosts.alone.http.get("/health/ready").json()["parts"]["shelf"]
    assert health["state"] == "behind"
    hosts.seaweed.start()
    if run["state_type"] == "FAILED":
        assert "what is served stays served" in run["state"]["message"]
    back = time.monotonic()
    # A store that starts answers 500 for some seconds, and a run that meets that fails.
    while hosts.until_state(hosts.trigger(), "COMPLETED", "FAILED", seconds=240)["state_type"] == "FAILED":
        assert time.monotonic() < back + 240
    hosts.until_all_serve(before)
    say(f"the next run was served {time.monotonic() - back:.1f} s after the store was back")
    assert_readers_are_equal(hosts)


@pytest.mark.parametrize("what", ["postgres", "prefect"])
def test_4_prefect_or_its_database_may_be_killed_in_mid_run(hosts: Hosts, what: str):
    before = hosts.until_all_serve(None)
    run_id = hosts.trigger()
    hosts.until_state(run_id, "RUNNING")
    killed = time.monotonic()
    if what == "postgres":
        hosts.postgres.kill()
    else:
        hosts.prefect.cut_power()
    assert_readers_are_equal(hosts)
    time.sleep(5)
    hosts.postgres.start() if what == "postgres" else hosts.prefect.start()
    run = hosts.until_state(run_id, "COMPLETED", "CRASHED", "FAILED", seconds=300)
    assert hosts.until_all_serve(before, seconds=300) != before
    say(f"{what} killed: the run ended {run['state']['name']}, served {time.monotonic() - killed:.0f} s after")
    assert_readers_are_equal(hosts)

"""A back-fill whose host loses its power goes on at another worker, and readers answer from it."""

import sys
import time
from collections.abc import Iterator

import pytest
from running_hosts import Hosts, running_hosts

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("hosts")]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    with running_hosts(tmp_path_factory.mktemp("hosts")) as hosts:
        yield hosts


def test_a_back_fill_whose_host_is_lost_goes_on_at_another(hosts: Hosts):
    before = hosts.until_all_serve(None)
    answer = hosts.with_prefect.http.post("/archive/backfill?dept=9&since=2020&dataset=days")
    assert answer.status_code == 202, answer.text
    lost_id = answer.json()["id"]
    run = hosts.until_state(lost_id, "RUNNING")
    name = run["labels"]["prefect.worker.name"].removesuffix("-archive")
    lost = next(host for host in hosts.workers if name in (host.data / "service" / "identity.json").read_text())
    lost.cut_power()
    cut = time.monotonic()
    assert hosts.until_state(lost_id, "CRASHED", seconds=240)["state"]["name"] == "HostLost"
    crashed = time.monotonic() - cut
    assert hosts.until_all_serve(before, seconds=300) != before
    sys.stdout.write(f"Crashed after {crashed:.0f} s, served from the other after {time.monotonic() - cut:.0f} s\n")
    state = hosts.with_prefect.http.get("/archive/backfill").json()["backfill"]
    assert state["run"]["id"] != lost_id
    assert hosts.run(state["run"]["id"])["parameters"] == run["parameters"]
    # A reader answers from the snapshot before until it has opened the new one.
    coverage = [
        hosts.until(lambda reader=reader: reader.http.get("/archive/coverage?dept=9").json().get("data"), "its archive")
        for reader in hosts.readers
    ]
    assert coverage[0] == coverage[1]
    plan = hosts.with_prefect.http.get("/archive/plan?dept=9&since=2020").json()
    assert plan["files"] == 0  # the reader knows what the worker loaded
    lost.start()

"""Eight hosts in networks of their own: cables are cut and hosts are killed in mid-run, while readers are asked."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from namespaces import Namespace, network
from running_hosts import Host, Hosts, Places, Reader, running_hosts
from upstream import NOW, Upstream, running_upstream
from watching import Watching

from ingestion.paths import DataPaths
from orchestration.progress import read_records
from orchestration.worker.begun import begun_runs

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("namespaces")]

CUT_SECONDS = 240
BEHIND_SECONDS = 20
WAIT = 300  # a silent run is noticed after 90 s
FULL = "dept=9&full=true"

# Asked within a namespace whose cable is cut.
_ASK = """
import sys, time, urllib.error, urllib.request
start = time.monotonic()
try:
    status = urllib.request.urlopen(sys.argv[1], timeout=30).status
except urllib.error.HTTPError as error:
    status = error.code
print(status, time.monotonic() - start)
"""


class Day:
    """Hours that pass upstream, and what was measured."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream, self._hours = upstream, 0
        self.lines: list[str] = []

    def pass_hour(self) -> str:
        """Let an hour pass; return the newest hour of observations then."""
        self._hours += 1
        now = NOW + timedelta(hours=self._hours)
        self._upstream.reset(now=now, retention_hours=24)
        return now.strftime("%Y-%m-%dT%H:00")

    def say(self, line: str) -> None:
        """Shown with `-s`: how long things took is shown, not asserted."""
        self.lines.append(line)
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[Upstream, Places]]:
    """The network and, outside it, Météo-France."""
    with network() as made, running_upstream(made.gateway) as upstream:
        yield upstream, Places(made, "reader-a", "reader-b", "reader-c")


@pytest.fixture(scope="module")
def day(world: tuple[Upstream, Places]) -> Iterator[Day]:
    day = Day(world[0])
    yield day
    sys.stdout.write("\n".join(["", "in all:", *day.lines, ""]))


@pytest.fixture(scope="module")
def hosts(world: tuple[Upstream, Places], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    upstream, places = world
    settings = {**upstream.environment, "BEHIND_SECONDS": str(BEHIND_SECONDS), "SNAPSHOTS_KEEP": "100"}
    with running_hosts(tmp_path_factory.mktemp("hosts"), places, **settings) as hosts:
        hosts.until_all_serve(None)
        yield hosts


@pytest.fixture(scope="module")
def watching(hosts: Hosts) -> Iterator[Watching]:
    with Watching(hosts.readers) as watching:
        yield watching


def until_idle(hosts: Hosts) -> None:
    """Wait until no run is due or under way: a run of before must not answer for the next."""
    states = "&".join(f"state={state}" for state in ("SCHEDULED", "PENDING", "RUNNING", "CANCELLING"))

    def is_idle() -> bool:
        found = hosts.with_prefect.http.get(f"/runs?{states}")
        return found.status_code == 200 and found.json()["runs"] == []

    hosts.until(is_idle, "no run under way", WAIT)


def until_run(hosts: Hosts, run_id: str, phase: str) -> Host:
    """Wait until a worker is in this phase of the run; return it."""

    def is_there(host: Host) -> bool:
        paths = DataPaths(host.data)
        if run_id not in begun_runs(paths):
            return False
        kinds = [record["kind"] for record in read_records(paths, run_id)]
        if phase == "fetching":
            return hosts.run(run_id)["state_type"] == "RUNNING"
        if phase == "building":
            return kinds.count("node") >= 5
        return kinds.count("node") >= 30 and any(folder.name[0] == "." for folder in paths.snapshots.iterdir())

    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        for host in hosts.workers:
            if is_there(host):
                return host
        time.sleep(0.02)
    raise AssertionError(f"run {run_id} was never {phase}")


def ask_inside(reader: Reader, address: str) -> tuple[int, float]:
    command = reader.place.command([sys.executable, "-c", _ASK, f"{reader.url}{address}"])
    status, seconds = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return int(status), float(seconds)


def place_of(host: Host) -> Namespace:
    assert isinstance(host.place, Namespace)
    return host.place


def end_of_run(host: Host, since: int) -> str:
    """What a worker's runs said last, after so many bytes of their log."""
    said = (host.data / "logs" / "runs.log").read_bytes()[since:].decode(errors="replace").splitlines()
    told = [line for line in said if "Flow run" in line or "error" in line.lower()]
    return " / ".join(line.strip()[:220] for line in told[-3:])


def check(hosts: Hosts, watching: Watching, served: str, hour: str) -> None:
    """The newest hour is served, and no answer so far was wrong."""
    hosts.until(lambda: served in watching.served_at and len(watching.served_at[served]) == 3, "asked of all", 60)
    hosts.until(lambda: served in watching._rows, "the rows of it", 60)
    assert watching.newest_hour(served).replace(" ", "T").startswith(hour)
    assert watching.faults == []


def test_1_a_run_on_hosts_of_their_own_is_served_by_three_readers(hosts: Hosts, day: Day, watching: Watching):
    before = hosts.until_all_serve(None)
    until_idle(hosts)
    hour = day.pass_hour()
    run = hosts.until_state(hosts.trigger(), "COMPLETED")
    ended = time.monotonic()
    served = hosts.until_all_serve(before)
    assert served in run["state"]["message"]
    day.say(f"nothing is lost: served by three readers {time.monotonic() - ended:.1f} s after Completed was seen")
    check(hosts, watching, served, hour)


@pytest.mark.parametrize("phase", ["building", "publishing"])
def test_2_a_worker_cut_off_for_four_minutes_does_not_publish_over_the_newer(
    hosts: Hosts, day: Day, watching: Watching, phase: str
):
    before = hosts.until_all_serve(None)
    until_idle(hosts)
    hour = day.pass_hour()
    run_id = hosts.trigger(FULL)
    cut_off = until_run(hosts, run_id, phase)
    log = (cut_off.data / "logs" / "runs.log").stat().st_size
    cable = place_of(cut_off)
    cable.cut()
    cut = time.monotonic()
    try:
        hosts.until_state(run_id, "CRASHED", "COMPLETED", "FAILED", seconds=WAIT)
        crashed = time.monotonic() - cut
        served = hosts.until_all_serve(before, seconds=WAIT)
        published = time.monotonic() - cut
        check(hosts, watching, served, hour)
        ended = None
        while time.monotonic() - cut < CUT_SECONDS:
            if ended is None and run_id not in begun_runs(DataPaths(cut_off.data)):
                ended = time.monotonic() - cut
            time.sleep(0.5)
    finally:
        cable.plug()
    back = time.monotonic()
    hosts.until(lambda: run_id not in begun_runs(DataPaths(cut_off.data)), "the end of the run that was cut off", WAIT)
    if ended is None:
        ended = time.monotonic() - cut
    state = hosts.run(run_id)["state"]
    assert state["type"] != "COMPLETED"
    assert hosts.until_all_serve(None) == served  # not published over
    day.say(
        f"cable of the worker cut for {CUT_SECONDS} s while {phase}: Crashed after {crashed:.0f} s, published by the "
        f"other after {published:.0f} s; its own run ended after {ended:.0f} s, is {state['name']}: "
        f"{end_of_run(cut_off, log)}"
    )
    # It works again: it takes runs, and publishes on top of the other's.
    until_idle(hosts)
    for _ in range(12):
        hour = day.pass_hour()
        run_id = hosts.trigger(FULL)
        took = until_run(hosts, run_id, "fetching")
        run = hosts.until_state(run_id, "COMPLETED", "FAILED", "CRASHED", seconds=WAIT)
        assert run["state_type"] == "COMPLETED", run["state"]
        served = hosts.until_all_serve(served)
        until_idle(hosts)
        if took is cut_off:
            break
    else:
        pytest.fail("the worker that was cut off takes no runs any more")
    day.say(f"  it took a run {time.monotonic() - back:.0f} s after the cable was plugged in")
    check(hosts, watching, served, hour)


def test_3_a_reader_cut_off_answers_at_once_says_so_and_recovers(hosts: Hosts, day: Day, watching: Watching):
    reader = hosts.readers[2]
    before = hosts.until_all_serve(None)
    cable = place_of(reader)
    watching.cut_off.add(reader.name)
    cable.cut()
    cut = time.monotonic()
    slowest, unready = 0.0, None
    try:
        while time.monotonic() - cut < 3 * BEHIND_SECONDS:
            for address in ("/health/live", "/health/ready", "/warehouse/latest?dept=9"):
                status, seconds = ask_inside(reader, address)
                slowest = max(slowest, seconds)
                if address == "/health/ready":
                    if status == 503 and unready is None:
                        unready = time.monotonic() - cut
                else:
                    assert status == 200, address
            time.sleep(1)
    finally:
        cable.plug()
    back = time.monotonic()
    assert unready is not None
    day.say(f"cable of a reader cut: unready after {unready:.0f} s, slowest answer {slowest:.2f} s")
    hosts.until(lambda: reader.http.get("/health/ready").status_code == 200, "ready again", WAIT)
    day.say(f"  ready again {time.monotonic() - back:.1f} s after the cable was plugged in")
    until_idle(hosts)
    hour = day.pass_hour()
    hosts.trigger(FULL)
    check(hosts, watching, hosts.until_all_serve(before), hour)
    watching.cut_off.clear()


KILLS: dict[str, Callable[[Hosts, Host], Any]] = {
    "the worker": lambda _, worker: worker.cut_power(),
    "the store": lambda hosts, _: hosts.seaweed.kill(),
    "Postgres": lambda hosts, _: hosts.postgres.kill(),
    "Prefect's server": lambda hosts, _: hosts.prefect.cut_power(),
}
STARTS: dict[str, Callable[[Hosts], Any]] = {
    "the store": lambda hosts: hosts.seaweed.start(),
    "Postgres": lambda hosts: hosts.postgres.start(),
    "Prefect's server": lambda hosts: hosts.prefect.start(),
}


@pytest.mark.parametrize("phase", ["fetching", "publishing"])
@pytest.mark.parametrize("what", list(KILLS))
def test_4_any_host_may_be_killed_in_mid_run(hosts: Hosts, day: Day, watching: Watching, what: str, phase: str):
    before = hosts.until_all_serve(None)
    until_idle(hosts)
    hour = day.pass_hour()
    run_id = hosts.trigger(FULL)
    worker = until_run(hosts, run_id, phase)
    KILLS[what](hosts, worker)
    killed = time.monotonic()
    if what != "the worker":
        time.sleep(5)
        STARTS[what](hosts)
    started = time.monotonic() - killed
    run = hosts.until_state(run_id, "COMPLETED", "CRASHED", "FAILED", seconds=WAIT)
    ended = time.monotonic() - killed
    again = ""
    if run["state_type"] == "FAILED":  # nothing was published: the next run does
        until_idle(hosts)
        hosts.trigger(FULL)
        again = "by the next run, "
    served = hosts.until_all_serve(before, seconds=WAIT)
    day.say(
        f"{what} killed while {phase}, back after {started:.0f} s: the run ended {run['state']['name']} after "
        f"{ended:.0f} s, {again}served by all after {time.monotonic() - killed:.0f} s"
    )
    check(hosts, watching, served, hour)
    if what == "the worker":
        worker.start()


def test_5_in_all_no_answer_was_wrong(hosts: Hosts, day: Day, watching: Watching):
    until_idle(hosts)
    assert watching.faults == []
    published = json.loads(hosts.alone.http.get("/warehouse/snapshots").content)["snapshots"]
    runs = [snapshot["run_id"] for snapshot in published]
    assert len(runs) == len(set(runs))  # no run published twice
    day.say(f"{watching.answers:,} answers checked, the longest took {watching.longest:.1f} s")

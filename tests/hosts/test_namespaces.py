"""Eight hosts in networks of their own: cables are cut and hosts are killed in mid-run, while readers are asked."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from apart import BEHIND_SECONDS, FULL, WAIT, Day, place_of, until_idle, until_run
from running_hosts import Host, Hosts, Reader
from watching import Watching

from ingestion.paths import DataPaths
from orchestration.progress import read_records
from orchestration.worker.begun import begun_runs

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("namespaces")]

CUT_SECONDS = 240

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


def ask_inside(reader: Reader, address: str) -> tuple[int, float]:
    command = reader.place.command([sys.executable, "-c", _ASK, f"{reader.url}{address}"])
    status, seconds = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return int(status), float(seconds)


def end_of_run(host: Host, run_id: str, since: float) -> str:
    """How the run ended on its host, whatever Prefect was told; `since` is a time of the clock."""
    last = read_records(DataPaths(host.data), run_id)[-1]
    seconds = datetime.fromisoformat(last["at"]).timestamp() - since
    return f"`{last.get('error', last['kind'])}` after {seconds:.0f} s"


def run_of(apart: Hosts, snapshot: str) -> str:
    """Name the run that published a snapshot."""
    kept = apart.alone.http.get("/warehouse/snapshots").json()["data"]
    return next(found["run_id"] for found in kept if found["id"] == snapshot)


def until_taken_over(apart: Hosts) -> None:
    """Wait for the end of the run that Prefect begins in place of the lost one, also when nothing was lost."""
    time.sleep(5)  # it is there by then
    until_idle(apart)


def check(apart: Hosts, watching: Watching, served: str, hour: str) -> None:
    """The newest hour is served, and no answer so far was wrong."""
    apart.until(lambda: served in watching.served_at and len(watching.served_at[served]) == 3, "asked of all", 60)
    apart.until(lambda: watching.has_rows(served), "the rows of it", 60)
    assert watching.newest_hour(served).replace(" ", "T").startswith(hour)
    assert watching.faults == []


def test_1_a_run_on_hosts_of_their_own_is_served_by_three_readers(apart: Hosts, day: Day, watching: Watching):
    before = apart.until_all_serve(None)
    until_idle(apart)
    hour = day.pass_hour()
    run = apart.until_state(apart.trigger(), "COMPLETED")
    ended = time.monotonic()
    served = apart.until_all_serve(before)
    assert served in run["state"]["message"]
    day.say(f"nothing is lost: served by three readers {time.monotonic() - ended:.1f} s after Completed was seen")
    check(apart, watching, served, hour)


def cut_cable(host: Host) -> None:
    place_of(host).cut()


def plug_cable(host: Host) -> None:
    place_of(host).plug()


def freeze(host: Host) -> None:
    """As a virtual machine that is paused: it knows nothing of it, and goes on where it stood."""
    host.signal(signal.SIGSTOP)


def thaw(host: Host) -> None:
    host.signal(signal.SIGCONT)


@pytest.mark.parametrize(
    ("what", "lose", "find_again", "phase", "seconds"),
    [
        ("cable of the worker cut", cut_cable, plug_cable, "building", CUT_SECONDS),
        ("cable of the worker cut", cut_cable, plug_cable, "publishing", CUT_SECONDS),
        ("worker frozen", freeze, thaw, "building", 0),
    ],
)
def test_2_a_worker_that_was_away_does_not_publish_over_the_newer(
    apart: Hosts,
    day: Day,
    watching: Watching,
    what: str,
    lose: Callable[[Host], None],
    find_again: Callable[[Host], None],
    phase: str,
    seconds: int,
):
    before = apart.until_all_serve(None)
    until_idle(apart)
    hour = day.pass_hour()
    run_id = apart.trigger(FULL)
    away = until_run(apart, run_id, phase)
    lose(away)
    lost, lost_at = time.monotonic(), time.time()
    try:
        apart.until_state(run_id, "CRASHED", "COMPLETED", "FAILED", seconds=WAIT)
        crashed = time.monotonic() - lost
        served = apart.until_all_serve(before, seconds=WAIT)
        published = time.monotonic() - lost
        who = "itself before" if run_of(apart, served) == run_id else "the other"
        check(apart, watching, served, hour)
        until_taken_over(apart)
        served = apart.until_all_serve(None)
        time.sleep(max(0, lost + seconds - time.monotonic()))
    finally:
        find_again(away)
    back = time.monotonic()
    apart.until(lambda: run_id not in begun_runs(DataPaths(away.data)), "the end of the run that was lost", WAIT)
    state, said = apart.run(run_id)["state"], end_of_run(away, run_id, lost_at)
    assert state["type"] != "COMPLETED"
    assert apart.until_all_serve(None) == served  # not published over
    day.say(
        f"{what} for {back - lost:.0f} s while {phase}: Crashed after {crashed:.0f} s, published by {who} after "
        f"{published:.0f} s; on its own host the run ended {said}, and it is {state['name']}"
    )
    # It works again: it takes runs, and publishes on top of the other's.
    until_idle(apart)
    for _ in range(12):
        hour = day.pass_hour()
        run_id = apart.trigger(FULL)
        took = until_run(apart, run_id, "fetching")
        run = apart.until_state(run_id, "COMPLETED", "FAILED", "CRASHED", seconds=WAIT)
        assert run["state_type"] == "COMPLETED", run["state"]
        served = apart.until_all_serve(served)
        until_idle(apart)
        if took is away:
            break
    else:
        pytest.fail("the worker that was away takes no runs any more")
    day.say(f"  it took a run {time.monotonic() - back:.0f} s after it was back")
    check(apart, watching, served, hour)


def test_3_a_reader_cut_off_answers_at_once_says_so_and_recovers(apart: Hosts, day: Day, watching: Watching):
    reader = apart.readers[2]
    before = apart.until_all_serve(None)
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
    apart.until(lambda: reader.http.get("/health/ready").status_code == 200, "ready again", WAIT)
    day.say(f"  ready again {time.monotonic() - back:.1f} s after the cable was plugged in")
    until_idle(apart)
    hour = day.pass_hour()
    apart.trigger(FULL)
    check(apart, watching, apart.until_all_serve(before), hour)
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
def test_4_any_host_may_be_killed_in_mid_run(apart: Hosts, day: Day, watching: Watching, what: str, phase: str):
    before = apart.until_all_serve(None)
    until_idle(apart)
    hour = day.pass_hour()
    run_id = apart.trigger(FULL)
    worker = until_run(apart, run_id, phase)
    KILLS[what](apart, worker)
    killed = time.time()
    if what != "the worker":
        time.sleep(5)
        STARTS[what](apart)
    started = time.time() - killed
    run = apart.until_state(run_id, "COMPLETED", "CRASHED", "FAILED", seconds=WAIT)
    ended = time.time() - killed
    if what in ("Postgres", "Prefect's server"):  # the run waits for it: its slot is kept, and its end is recorded
        assert run["state_type"] == "COMPLETED", run["state"]
    again = ""
    time.sleep(5)
    is_published = apart.until_all_serve(None) != before
    if not is_published and run["state"]["name"] != "HostLost":  # that one is run again by itself
        until_idle(apart)
        apart.trigger(FULL)
        again = "by the next run, "
    served = apart.until_all_serve(before, seconds=WAIT)
    check(apart, watching, served, hour)
    at = max(watching.served_at[served].values()) - killed
    day.say(
        f"{what} killed while {phase}, back after {started:.0f} s: the run ended {run['state']['name']} after "
        f"{ended:.0f} s, {again}served by all after {at:.0f} s"
    )
    if what == "the worker":
        until_taken_over(apart)
        worker.start()


def test_5_hosts_that_are_cut_off_stop_when_asked(apart: Hosts, day: Day, watching: Watching):
    before = apart.until_all_serve(None)
    until_idle(apart)
    for host in (apart.readers[2], apart.workers[1]):
        watching.cut_off.add(host.name)
        place_of(host).cut()
        try:
            time.sleep(3)  # it is asking something
            asked = time.monotonic()
            host.stop()
            day.say(f"{host.name}, cut off, stopped {time.monotonic() - asked:.1f} s after SIGTERM")
        finally:
            place_of(host).plug()
        host.start()
    apart.until(lambda: apart.readers[2].served() == before, "the reader again")
    watching.cut_off.clear()


def test_6_in_all_no_answer_was_wrong(apart: Hosts, day: Day, watching: Watching):
    until_idle(apart)
    assert watching.faults == []
    published = apart.alone.http.get("/warehouse/snapshots").json()["data"]
    runs = [snapshot["run_id"] for snapshot in published]
    assert len(runs) == len(set(runs))  # no run published twice
    day.say(f"{watching.answers:,} answers checked, the longest took {watching.longest:.1f} s")

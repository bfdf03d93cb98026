"""Hosts in networks of their own, hours that pass upstream, and what their tests wait for."""

import sys
import time
from datetime import timedelta

from namespaces import Namespace
from running_hosts import Host, Hosts
from upstream import NOW, Upstream

from ingestion.paths import DataPaths
from orchestration.progress import read_records
from orchestration.worker.begun import begun_runs

WAIT = 300  # a silent run is noticed after 90 s
FULL = "dept=9&full=true"
BEHIND_SECONDS = 20


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
        records = read_records(paths, run_id)
        done = sum(record["kind"] == "node" for record in records)
        if phase == "fetching":
            return hosts.run(run_id)["state_type"] == "RUNNING"
        if phase == "building":
            return done >= 5
        return any(record["kind"] == "dbt" and done >= record["nodes"] for record in records)  # publishing

    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        for host in hosts.workers:
            if is_there(host):
                return host
        time.sleep(0.02)
    raise AssertionError(f"run {run_id} was never {phase}")


def place_of(host: Host) -> Namespace:
    assert isinstance(host.place, Namespace)
    return host.place

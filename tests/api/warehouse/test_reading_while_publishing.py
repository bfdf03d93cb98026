"""Eight readers over every address while runs publish and old snapshots are deleted: no error, no mixed answer."""

import io
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
from upstream import NOW, Upstream

from ingestion.paths import DataPaths
from orchestration.snapshots.snapshots import kept_snapshots

pytestmark = [pytest.mark.xdist_group("warehouse"), pytest.mark.slow]

SECONDS = float(os.environ.get("SOAK_SECONDS", "300"))
EVERY_SECONDS = 10
READERS = 8

_RUN = """
from ingestion.departments import resolve_all
from ingestion.settings import get_settings
from orchestration.pipeline import plain_steps, run_pipeline
from orchestration.settings import OrchestrationSettings
steps = plain_steps(get_settings(), OrchestrationSettings(snapshots_keep=2), None, print)
run_pipeline(resolve_all(["9", "31"]), steps, get_settings(), print)
"""


class Facts:
    """What the publisher knows of each snapshot, and what the readers met."""

    def __init__(self) -> None:
        self.known: dict[str, dict[str, Any]] = {}
        self.met: list[tuple[str, str, Any]] = []
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.wrong: list[str] = []
        self.stop = threading.Event()


def publish(facts: Facts, paths: DataPaths, upstream: Upstream) -> None:
    environment = {**os.environ, **upstream.environment, "DATA_DIR": str(paths.root)}
    hours = 2
    while not facts.stop.is_set():
        began = time.monotonic()
        hours += 1
        upstream.reset(now=NOW + timedelta(hours=hours), retention_hours=6)
        ended = subprocess.run(
            [sys.executable, "-c", _RUN], env=environment, capture_output=True, text=True, check=False
        )
        if ended.returncode:
            facts.wrong.append(ended.stderr[-2000:])
        note(facts, paths)
        facts.stop.wait(max(0, EVERY_SECONDS - (time.monotonic() - began)))


def note(facts: Facts, paths: DataPaths) -> None:
    for manifest in kept_snapshots(paths):
        facts.known[manifest.id] = {"newest": manifest.newest_observation, "rows": manifest.row_counts}


def read(facts: Facts, url: httpx.URL, seed: int) -> None:
    chance = random.Random(seed)
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        while not facts.stop.is_set():
            check = chance.choice(CHECKS)
            try:
                check(facts, client)
            except Exception as error:
                facts.wrong.append(f"{check.__name__}: {error!r}")


def get(
    facts: Facts, client: httpx.Client, url: str, *, may_be_gone: bool = False, **parameters: Any
) -> httpx.Response:
    answer = client.get(url, params=parameters or None)
    facts.statuses[url.partition("?")[0], answer.status_code] += 1
    if answer.status_code != 200 and not (may_be_gone and answer.status_code == 410):
        facts.wrong.append(f"{url}: {answer.status_code} {answer.text[:300]}")
    return answer


def whole_latest(facts: Facts, client: httpx.Client) -> None:
    body = get(facts, client, "/warehouse/latest").json()
    newest = max(row["observed_at"] for row in body["data"])
    facts.met.append((body["snapshot"]["id"], "newest", newest))
    facts.met.append((body["snapshot"]["id"], "newest", body["snapshot"]["newest_observation"]))


def counted(facts: Facts, client: httpx.Client) -> None:
    body = get(facts, client, "/warehouse/query", sql="select count(*) as n from raw.observations").json()
    facts.met.append((body["snapshot"]["id"], "raw.observations", body["data"][0]["n"]))


def uncached_count(facts: Facts, client: httpx.Client) -> None:
    sql = f"select count(*) + {random.randrange(10**9)} * 0 as n from marts.hourly_observations"
    answer = client.post("/warehouse/query", json={"sql": sql})
    body = answer.json()
    facts.statuses["POST /warehouse/query", answer.status_code] += 1
    facts.met.append((body["snapshot"]["id"], "marts.hourly_observations", body["data"][0]["n"]))


def paged(facts: Facts, client: httpx.Client) -> None:
    rows, cursor, snapshots = 0, None, set()
    while True:
        answer = get(
            facts,
            client,
            "/warehouse/tables/marts/hourly_observations",
            may_be_gone=cursor is not None,
            select="station_id,observed_at",
            limit="1500",
            **({"cursor": cursor} if cursor else {}),
        )
        if answer.status_code != 200:
            return
        body = answer.json()
        rows += len(body["data"])
        snapshots.add(body["snapshot"]["id"])
        cursor = body["next"]
        if cursor is None:
            break
    assert len(snapshots) == 1
    facts.met.append((snapshots.pop(), "marts.hourly_observations", rows))


def as_parquet(facts: Facts, client: httpx.Client) -> None:
    answer = get(facts, client, "/warehouse/download", table="raw.observations")
    facts.met.append(
        (answer.headers["x-snapshot-id"], "raw.observations", pq.read_table(io.BytesIO(answer.content)).num_rows)
    )


def the_file(facts: Facts, client: httpx.Client) -> None:
    answer = get(facts, client, "/warehouse/download")
    assert len(answer.content) == int(answer.headers["content-length"])


def the_rest(facts: Facts, client: httpx.Client) -> None:
    for url in (
        "/quality",
        "/warehouse/tables",
        "/warehouse/stations/09289001",
        "/warehouse/stations",
        "/warehouse/snapshots",
    ):
        get(facts, client, url)
    get(facts, client, "/warehouse/observations", station="09289001", tz="Europe/Paris", format="csv")
    kept = client.get("/warehouse/snapshots").json()["data"]
    if len(kept) > 1:
        get(facts, client, f"/warehouse/snapshots/{kept[1]['id']}/diff/{kept[0]['id']}", may_be_gone=True)


CHECKS: list[Callable[[Facts, httpx.Client], None]] = [
    whole_latest,
    counted,
    uncached_count,
    paged,
    as_parquet,
    the_file,
    the_rest,
]


def test_no_reader_ever_notices_a_publication(
    start: Callable[..., httpx.Client], own_warehouse: DataPaths, upstream_server: Upstream
) -> None:
    client = start(own_warehouse)
    facts = Facts()
    note(facts, own_warehouse)
    threads = [threading.Thread(target=publish, args=(facts, own_warehouse, upstream_server))]
    threads += [threading.Thread(target=read, args=(facts, client.base_url, seed)) for seed in range(READERS)]
    for thread in threads:
        thread.start()
    time.sleep(SECONDS)
    facts.stop.set()
    for thread in threads:
        thread.join()
    note(facts, own_warehouse)
    print(f"{sum(facts.statuses.values())} answers, {len(facts.known)} snapshots, {dict(facts.statuses)}")  # noqa: T201
    assert facts.wrong == []
    assert len(facts.known) > SECONDS / 60
    for snapshot_id, what, value in facts.met:
        expected = facts.known[snapshot_id]
        assert value == (expected["newest"] if what == "newest" else expected["rows"][what]), (snapshot_id, what)
    held = [str(file.resolve()) for file in Path("/proc/self/fd").glob("*")] if Path("/proc").exists() else []
    assert len({file for file in held if file.endswith("warehouse.duckdb (deleted)")}) <= 2  # none is held for ever

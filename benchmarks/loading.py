"""Loading a month of all France: landed packets → raw → marts, against DuckDB's own read_csv of the same files."""

import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from benchmarks.report import Report
from ingestion.demo.packet import PacketRequest, render_packet
from ingestion.demo.weather import load_stations
from ingestion.landing import LandedPayload, describe_payload, land_payload
from ingestion.load import load_payload
from ingestion.paths import DataPaths
from ingestion.raw_store import open_build_file
from orchestration.pipeline import build_and_record
from orchestration.settings import get_settings


def measure_loading(report: Report, *, days: int) -> None:
    """Load so many days, a packet an hour, as a rebuild from the landing zone does."""
    print(f"Loading {days} days of all France", flush=True)
    with tempfile.TemporaryDirectory(prefix="girouette-bench-") as folder:
        paths = DataPaths(Path(folder))
        landed, rows = _land(paths, days)
        started = time.perf_counter()
        files = f"read_csv('{paths.landing}/*/*/*.gz', delim=';', all_varchar=true, header=true)"
        found = duckdb.sql(f"select count(columns(*)) from {files}").fetchall()
        read = time.perf_counter() - started
        assert max(found[0]) == rows, found
        started = time.perf_counter()
        with open_build_file(paths, "demo") as connection:
            for payload in landed:
                load_payload(connection, payload, source="demo", run_id=None)
        raw = time.perf_counter() - started
        started = time.perf_counter()
        build_and_record(get_settings(), paths, None, lambda _: None)
        marts = time.perf_counter() - started
    report.add("landing → raw: rows", "1/s", [rows / raw])
    report.add("raw → marts, tested: rows", "1/s", [rows / marts])
    report.add("landing → raw → marts: rows", "1/s", [rows / (raw + marts)])
    report.add("read_csv of the same files: rows", "1/s", [rows / read])
    report.compare("load_vs_read_csv", [raw + marts], [read], at_most=100)


def _land(paths: DataPaths, days: int) -> tuple[list[LandedPayload], int]:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=1)
    connection = duckdb.connect()
    load_stations(connection)
    landed, rows = [], 0
    for back in range(days * 24, 0, -1):
        hour = now - timedelta(hours=back)
        asked = PacketRequest(hour, hour + timedelta(hours=1), now)
        body = render_packet(connection, asked, "csv").encode()
        rows += body.count(b"\n") - 1
        scope, fetched_at = f"{hour:%Y%m%dT%HZ}", hour + timedelta(minutes=30)
        payload = describe_payload(paths.landing / "demo", body, "paquet-stations-horaire", scope, fetched_at, "csv")
        land_payload(payload, body)
        landed.append(payload)
    return landed, rows

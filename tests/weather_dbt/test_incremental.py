"""Whatever arrives and in whatever order, incremental builds end in exactly what one full refresh gives."""

import shutil
from pathlib import Path
from random import Random

import duckdb
import pytest
from arrivals import Arrival, make_history

from ingestion.landing import describe_payload, land_payload
from ingestion.load import load_payload
from ingestion.paths import DataPaths
from ingestion.raw_store import open_build_file
from orchestration.build.run_dbt import run_command
from orchestration.pipeline import build_and_record
from orchestration.settings import get_settings

COMPARED = (
    *(f"marts.{name}" for name in ("hourly_observations", "daily_observations", "latest_observations", "stations")),
    *("marts.completeness", "meta.quality_findings", "intermediate.int_hourly_findings"),
)


def check_history(paths: DataPaths, empty: Path, seed: int, arrivals: int) -> None:
    """Build after each arrival, beginning with nothing at all, and compare after one of them and after the last."""
    shutil.rmtree(paths.landing, ignore_errors=True)
    paths.build_file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(empty, paths.build_file)
    history = list(make_history(seed, arrivals))
    looked_at = {Random(seed).randrange(1, len(history)), len(history) - 1}
    for number, arrival in enumerate(history):
        load(paths, arrival)
        if number == 0:
            continue  # the station list comes with the first packet
        build_and_record(get_settings(), paths, None, lambda line: None)
        if number in looked_at:
            assert differences_from_full_refresh(paths) == [], f"seed {seed}, after arrival {number}"


def load(paths: DataPaths, arrival: Arrival) -> None:
    folder, body = paths.landing / "demo", arrival.body.encode()
    landed = describe_payload(folder, body, arrival.dataset, "file", arrival.fetched_at, "csv")
    land_payload(landed, body)
    with open_build_file(paths, "demo") as connection:
        load_payload(connection, landed, source="demo")


def differences_from_full_refresh(paths: DataPaths) -> list[tuple[str, str, tuple[object, ...]]]:
    """Rows of every mart that only one of the two builds has; the incremental file is put back afterwards."""
    kept = paths.build_file.with_name("incremental.duckdb")
    shutil.copyfile(paths.build_file, kept)
    nodes = run_command(["build", "--full-refresh", "--exclude-resource-type", "unit_test"], get_settings(), paths)
    assert [str(node) for node in nodes if not node.is_good] == []
    differences = []
    # In a file of its own name: the views of a file name its catalog, `warehouse`.
    incremental = kept.parent / "incremental"
    incremental.mkdir(exist_ok=True)
    shutil.move(kept, incremental / "warehouse.duckdb")
    rows = {}
    for which, file in (("full", paths.build_file), ("incremental", incremental / "warehouse.duckdb")):
        with duckdb.connect(str(file), read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            found_rows = {table: connection.execute(f"select * from {table}").fetchall() for table in COMPARED}
            rows[which] = {table: sorted(map(repr, found)) for table, found in found_rows.items()}
    for table in COMPARED:
        full, made = set(rows["full"][table]), set(rows["incremental"][table])
        differences += [(table, "only full", row) for row in sorted(full - made)]
        differences += [(table, "only incremental", row) for row in sorted(made - full)]
        if len(rows["full"][table]) != len(rows["incremental"][table]):
            differences.append((table, "row counts differ", ""))
    shutil.move(incremental / "warehouse.duckdb", paths.build_file)
    return differences


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a warehouse of nothing, once: what every history begins with."""
    paths = DataPaths(tmp_path_factory.mktemp("empty"))
    with open_build_file(paths, "demo"):
        pass
    build_and_record(get_settings(), paths, None, lambda line: None)
    return paths.build_file


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_incremental_builds_equal_a_full_refresh(paths: DataPaths, empty: Path, seed: int):
    check_history(paths, empty, seed, arrivals=3)


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(20))
def test_incremental_builds_equal_a_full_refresh_over_two_hundred_histories(paths: DataPaths, empty: Path, shard: int):
    for seed in range(1000 + shard * 10, 1010 + shard * 10):
        check_history(paths, empty, seed, arrivals=4)

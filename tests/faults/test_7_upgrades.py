"""Promise 7: a warehouse of another version is rebuilt with a message, or refused with one; never misread.

That a changed dbt project asks for a full build is proved in tests/orchestration/test_transform.py.
"""

import json
import os
import random
import struct
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from problems import assert_problem
from running_service import RunningService
from victim import Victim

from api.warehouse.open.pool import Warehouse
from api.warehouse.settings import WarehouseSettings
from ingestion.raw_store import SCHEMA_VERSION
from ingestion.replay import load_left_behind
from ingestion.settings import get_settings
from orchestration.__main__ import main as by_hand
from orchestration.snapshots.snapshots import kept_snapshots, served_snapshot

pytestmark = pytest.mark.xdist_group("faults-warm")

Tally = Callable[[str], None]

# The shape of the release before: no unknown columns, no rejected rows, and loads that did not tell their format.
PREVIOUS_SHAPE = """
    alter table raw.observations drop column extra;
    drop table meta.rejected_rows;
    alter table meta.loads drop column extra_columns;
    update meta.warehouse set schema_version = 0;
"""


def alter(victim: Victim, sql: str) -> None:
    with duckdb.connect(str(victim.paths.build_file)) as connection:
        connection.execute(sql)


def write_version(file: Path, version: int) -> None:
    """Make a file one of a newer DuckDB: its first page is a checksum, four letters, the version, and more."""
    with file.open("r+b") as opened:
        page = bytearray(opened.read(4096))
        page[12:20] = version.to_bytes(8, "little")
        checksum = 5381
        for (word,) in struct.iter_unpack("<Q", page[8:]):
            checksum ^= word * 0xBF58476D1CE4E5B9 % 2**64
        page[:8] = checksum.to_bytes(8, "little")
        opened.seek(0)
        opened.write(page)


@pytest.mark.parametrize(
    "shape",
    [PREVIOUS_SHAPE, pytest.param("drop table meta.warehouse", marks=pytest.mark.slow)],
    ids=["previous", "unversioned"],
)
def test_a_warehouse_of_the_release_before_is_made_anew(victim: Victim, tally: Tally, shape: str) -> None:
    alter(victim, shape)
    run = victim.start()
    assert run.outcome().is_good
    said = run.log.read_text()
    assert f"was written by an older Girouette (schema 0, this one writes {SCHEMA_VERSION})" in said
    assert "holds everything the old one did" in said
    victim.check_recovered()
    assert sorted(p.name for p in victim.paths.build_file.parent.glob("*.duckdb")) == ["warehouse.duckdb"]
    tally("a build file of an older shape: 2 runs")


def test_steps_by_hand_leave_an_older_warehouse_alone(victim: Victim, capsys: pytest.CaptureFixture[str]) -> None:
    alter(victim, PREVIOUS_SHAPE)
    before = victim.paths.build_file.read_bytes()
    for step in ("build", "publish"):
        assert by_hand([step]) == 1
        assert "the next run, or `make rebuild`, rebuilds the build file" in capsys.readouterr().err
    assert victim.paths.build_file.read_bytes() == before


def test_what_only_the_old_warehouse_knows_is_kept(victim: Victim) -> None:
    """The landing zone was cleaned by somebody: the old file stays, and is named."""
    payloads = sorted(victim.paths.landing.rglob("*paquet-horaire*.gz"))
    payloads[0].unlink()
    alter(victim, "update meta.warehouse set schema_version = 0")
    alter(victim, "update raw.observations set observed_at = observed_at - interval 1 year where version = 1")
    said: list[str] = []
    load_left_behind(get_settings(), said.append)
    assert any("hours more: it is kept as" in line for line in said), said
    assert (victim.paths.build_file.parent / "kept-outdated.duckdb").exists()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_an_upgrade_that_is_killed_is_ended_by_the_next_run(victim: Victim, tally: Tally) -> None:
    chance = random.Random(7)
    kills = 0
    for _ in range(20):
        victim.restore()
        alter(victim, PREVIOUS_SHAPE)
        run = victim.start()
        time.sleep(chance.uniform(0, 1.5))
        kills += run.kill()
        victim.check_recovered()
        assert not list(victim.paths.build_file.parent.glob("*outdated*"))
    tally(f"{kills} kills during the upgrade")
    assert kills > 10


def test_a_newer_warehouse_is_refused_and_left_alone(victim: Victim, tally: Tally) -> None:
    alter(victim, f"update meta.warehouse set schema_version = {SCHEMA_VERSION + 1}")
    before, served = victim.paths.build_file.read_bytes(), victim.check_served()
    outcome = victim.run()
    assert (outcome.is_good, outcome.kind) == (False, "WarehouseNewer")
    assert "update Girouette" in outcome.text
    write_version(victim.paths.build_file, 999)
    outcome = victim.run()
    assert (outcome.is_good, outcome.kind) == (False, "WarehouseNewer"), outcome
    assert victim.paths.build_file.read_bytes()[20:] == before[20:]
    assert victim.check_served() == served
    tally("tables of a newer Girouette, a file of a newer DuckDB: 2 runs")


@pytest.mark.slow
def test_a_damaged_build_file_is_told_and_made_anew_by_rebuild(
    victim: Victim, capsys: pytest.CaptureFixture[str], tally: Tally
) -> None:
    served = victim.check_served()
    size = victim.paths.build_file.stat().st_size
    damages: list[Callable[[Path], object]] = [
        lambda file: file.write_bytes(b"not a database at all" * 1000),
        lambda file: os.truncate(file, size // 2),
        lambda file: file.write_bytes(os.urandom(size)),
    ]
    for damage in damages:
        damage(victim.paths.build_file)
        outcome = victim.run()
        assert (outcome.is_good, outcome.is_told) == (False, True), outcome
        assert "make rebuild" in outcome.text
        assert victim.check_served() == served
    assert by_hand(["rebuild"]) == 0
    victim.check_recovered()
    tally(f"{len(damages)} damaged build files, then make rebuild")


def test_snapshots_of_other_versions_are_read_and_kept(victim: Victim) -> None:
    """A manifest with facts this version does not know, and one without facts that came later."""
    older, newer = kept_snapshots(victim.paths)
    for manifest, change in ((older, {"checked_at": None, "departments": None}), (newer, {"mood": "sunny"})):
        file = victim.paths.snapshots / manifest.id / "manifest.json"
        facts = json.loads(file.read_text()) | change
        file.write_text(json.dumps({name: value for name, value in facts.items() if value is not None}))
    assert [manifest.id for manifest in kept_snapshots(victim.paths)] == [older.id, newer.id]
    assert served_snapshot(victim.paths).id == newer.id
    warehouse = Warehouse(victim.paths, WarehouseSettings(_env_file=None))
    warehouse.start()
    try:
        for manifest in (older, newer):
            with warehouse.lease(manifest.id) as snapshot:
                assert snapshot.relations
    finally:
        warehouse.close()
    assert victim.run().is_good
    assert [manifest.sequence for manifest in kept_snapshots(victim.paths)] == [2, 3]


def test_a_snapshot_without_a_table_of_this_version_is_told(
    victim: Victim, start_reads: Callable[..., RunningService]
) -> None:
    file = victim.paths.published.resolve()
    with duckdb.connect(str(file)) as connection:
        connection.execute("alter table marts.stations rename column observed_hours to hours")
    manifest = file.with_name("manifest.json")
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"size_bytes": file.stat().st_size}))
    answer = start_reads(victim.paths).http.get("/quality")
    problem = assert_problem(answer, 503)
    assert problem["type"] == "/problems/snapshot-outdated"
    assert "full=true" in problem["next_step"]

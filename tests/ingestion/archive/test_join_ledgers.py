"""Two lists of the archive become one, whichever takes the other."""

import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from archive_files import Archive, days_of, text_of

from ingestion.archive.ledger import Ledger, Wanted, read_ledger, write_ledger
from ingestion.archive.load import join_ledgers
from ingestion.errors import SourceMismatch
from ingestion.paths import DataPaths

PREVIOUS, LATEST = "Q_09_previous-1950-2024_RR-T-Vent.csv.gz", "Q_09_latest-2025-2026_RR-T-Vent.csv.gz"


def in_use(ledger: Ledger) -> list[tuple[str, int]]:
    return sorted((file.name, file.rows) for file in ledger.in_use())


@pytest.mark.parametrize("turned", [False, True])
def test_the_later_version_wins_whichever_list_is_joined_to_the_other(tmp_path: Path, at, turned: bool):
    one, two = (Archive(DataPaths(tmp_path / name / "data"), tmp_path / name) for name in ("one", "two"))
    one.load(PREVIOUS, text_of(days_of(date(2020, 1, 1), 5)), at(1))
    one.load(LATEST, text_of(days_of(date(2025, 1, 1), 3)), at(1))
    two.load(PREVIOUS, text_of(days_of(date(2020, 1, 1), 6)), at(2))
    here, there = (two, one) if turned else (one, two)
    for file in there.paths.archive.rglob("*.parquet"):  # a shelf lays them before
        target = here.paths.root / file.relative_to(there.paths.root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    join_ledgers(here.paths, read_ledger(there.paths))
    joined = read_ledger(here.paths)
    assert in_use(joined) == [(LATEST, 3), (PREVIOUS, 6)]
    assert sorted((file.rows, file.status) for file in joined.files) == [
        (3, "loaded"),
        (5, "superseded"),
        (6, "loaded"),
    ]
    assert all((here.paths.root / file).exists() for file in joined.parquet_files())


def test_what_waits_here_waits_on_unless_the_other_has_loaded_it(tmp_path: Path, at):
    here, there = (Archive(DataPaths(tmp_path / name / "data"), tmp_path / name) for name in ("here", "there"))
    there.load(PREVIOUS, text_of(days_of(date(2020, 1, 1), 5)), at(1))
    other = read_ledger(there.paths)
    other.files = [replace(file, resource_id="loaded there") for file in other.files]
    waiting = {
        key: Wanted("days", "9", PREVIOUS, key, "https://files.test/some", other.files[0].last_modified)
        for key in ("loaded there", "waits")
    }
    here.paths.archive.mkdir(parents=True)
    write_ledger(here.paths, Ledger("meteofrance", queue=waiting))
    join_ledgers(here.paths, other)
    assert set(read_ledger(here.paths).queue) == {"waits"}


def test_archives_of_two_sources_are_not_joined(tmp_path: Path):
    paths = DataPaths(tmp_path / "data")
    paths.archive.mkdir(parents=True)
    write_ledger(paths, Ledger("demo"))
    with pytest.raises(SourceMismatch):
        join_ledgers(paths, Ledger("meteofrance"))
    assert read_ledger(paths).source == "demo"

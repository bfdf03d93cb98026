"""The archive between hosts: back-fills of two workers are one archive, and readers answer from its files."""

import os
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from archive_files import HOURS_HEADER, Archive, days_of, hours_of, row_of, text_of
from fastapi import FastAPI
from fastapi.testclient import TestClient

from api.errors import install_problem_handlers
from api.routes.all_routes import add_reads
from api.warehouse.opening import open_warehouse
from api.warehouse.settings import WarehouseSettings
from ingestion.archive.ledger import read_ledger
from ingestion.archive.load import Origin, load_file, renew_climate
from ingestion.paths import DataPaths
from orchestration.archive_flow import publish_archive, take_archive
from orchestration.errors import Fenced
from orchestration.settings import get_settings
from orchestration.shelf.shelf import Shelf
from orchestration.snapshots.snapshots import Manifest

pytestmark = pytest.mark.xdist_group("hosts")

NORMALS, LATEST = "Q_09_previous-1950-2024_RR-T-Vent.csv.gz", "Q_09_latest-2025-2026_RR-T-Vent.csv.gz"
HOURS, NEIGHBOUR = "H_09_previous-2000-2009.csv.gz", "Q_31_previous-1950-2024_RR-T-Vent.csv.gz"
OLD, NEW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def shelved(shelf_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the archive's flow find the shelf as it does in a run."""
    monkeypatch.setenv("SHELF_URL", shelf_url)
    get_settings.cache_clear()


@pytest.fixture
def one(published: DataPaths, shelved: None, host: Callable[[Path], Shelf]) -> Shelf:
    """The host of the first run, which has not met the shelf yet."""
    return host(published.root)


def load(shelf: Shelf, name: str, rows: list[dict[str, object]], modified: datetime = OLD, header: str | None = None):
    archive = Archive(shelf.paths, shelf.paths.root.parent / f"files-of-{shelf.paths.root.name}")
    return archive.load(name, text_of(rows, header) if header else text_of(rows), modified)


def warm_days(first: date, last: date, maximum: str) -> list[dict[str, object]]:
    return [row_of(first + timedelta(days=n), RR="1.0", TX=maximum) for n in range((last - first).days + 1)]


def asked(paths: DataPaths, *urls: str) -> list[Any]:
    """Ask the read side of a host, opened for these questions."""
    app = FastAPI()
    install_problem_handlers(app)
    add_reads(app)
    with open_warehouse(paths, WarehouseSettings(_env_file=None)) as reads:
        app.state.warehouse = reads
        http = TestClient(app)
        answers = [http.get(url) for url in urls]
    for answer in answers:
        assert answer.status_code == 200, answer.text
    return [answer.json()["data"] for answer in answers]


def archive_files(shelf: Shelf) -> dict[str, int]:
    """The archive's Parquet files of a host, with what tells whether one was written again."""
    files = shelf.paths.archive.rglob("*.parquet")
    return {file.relative_to(shelf.paths.root).as_posix(): file.stat().st_ino for file in files}


def test_a_back_fill_is_served_by_readers_goes_on_at_another_host_and_is_corrected(one, host, tmp_path: Path):
    load(one, NORMALS, warm_days(date(1991, 1, 1), date(2020, 12, 31), "20.0"))
    load(one, HOURS, hours_of("2004-12-31T22", 5, RR1="0.4", T="5.5"), header=HOURS_HEADER)
    assert publish_archive(one.paths, "a run", print) is not None
    reader, two = host(tmp_path / "reader"), host(tmp_path / "two")
    reader.follow()
    normals, coverage, hours = (
        "/climate/09289001/normals?quantity=temperature_max_c",
        "/archive/coverage?station=09289001",
        "/climate/09289001/history?resolution=hour&to=2005-01-01",
    )
    months, covered, old_hours = asked(reader.paths, normals, coverage, hours)
    assert [row["normal"] for row in months] == [20.0] * 13
    assert [(row["days"], row["last_month"]) for row in covered] == [(10958, "2020-12-01")]
    assert [row["temperature_c"] for row in old_hours] == [5.5] * 5
    assert asked(one.paths, normals, coverage, hours) == [months, covered, old_hours]

    # Another host's back-fill knows what was loaded, and corrects one file.
    take_archive(two.paths, print)
    assert read_ledger(two.paths) == read_ledger(one.paths)
    first = {shelf: archive_files(shelf) for shelf in (reader, two)}
    assert set(first[two]) == set(first[reader]) == set(archive_files(one))
    put = one.store.keys("archive/")
    load(two, NORMALS, warm_days(date(1991, 1, 1), date(2020, 12, 31), "21.0"), NEW)
    assert publish_archive(two.paths, "a run", print).sequence == 3
    reader.follow()
    (corrected, _, same_hours) = asked(reader.paths, normals, coverage, hours)
    assert [row["normal"] for row in corrected] == [21.0] * 13
    assert same_hours == old_hours
    # What did not change was put once and fetched once.
    then = archive_files(reader)
    assert {file: then[file] for file in first[reader]} == first[reader]
    after = one.store.keys("archive/")
    assert {key: after[key] for key in put} == put
    assert len(after) - len(put) == len(then) - len(first[reader]) == 5  # the days, and four files computed from them
    one.take_state(print)
    assert read_ledger(one.paths) == read_ledger(two.paths) == reader.read_ledger()


@pytest.mark.slow  # test_join_ledgers.py is quick
def test_back_fills_of_two_hosts_at_once_are_one_archive(one, host, tmp_path: Path):
    assert one.is_empty
    load(one, NORMALS, days_of(date(2000, 1, 1), 40))
    publish_archive(one.paths, "a run", print)
    two, reader = host(tmp_path / "two"), host(tmp_path / "reader")
    take_archive(two.paths, print)
    load(one, LATEST, days_of(date(2025, 1, 1), 10))
    load(two, NEIGHBOUR, days_of(date(2000, 1, 1), 20, "31069001"))
    load(two, NORMALS, days_of(date(2000, 1, 1), 41), NEW)
    publish_archive(one.paths, "a run", print)
    said: list[str] = []
    assert publish_archive(two.paths, "a run", said.append) is not None
    assert "another host also loaded archive files: both lists are joined" in said
    reader.follow()
    (covered,) = asked(reader.paths, "/archive/coverage")
    assert {row["station_id"]: row["days"] for row in covered} == {"09289001": 51, "31069001": 20}
    one.take_state(print)
    assert read_ledger(one.paths) == read_ledger(two.paths)


def test_a_back_fill_that_is_half_done_can_go_on_at_another_host(one, host, tmp_path: Path):
    load(one, NORMALS, days_of(date(2000, 1, 1), 40))
    publish_archive(one.paths, "a run", print)
    # One more file of another département; what is computed from it waits for the last file of it.
    archive = Archive(one.paths, tmp_path / "files")
    file = archive.folder / NEIGHBOUR.removesuffix(".gz")
    file.write_bytes(text_of(days_of(date(2000, 1, 1), 20, "31069001")))
    load_file(one.paths, file, Origin(NEIGHBOUR, OLD), "meteofrance", more_follow=True)
    load(one, LATEST, days_of(date(2025, 1, 1), 10))
    publish_archive(one.paths, "an hourly run publishes meanwhile", print)
    two = host(tmp_path / "two")
    take_archive(two.paths, print)
    assert set(archive_files(two)) == set(two.read_ledger().parquet_files())
    renew_climate(two.paths, "31")
    assert publish_archive(two.paths, "a run", print) is not None
    (covered,) = asked(two.paths, "/archive/coverage?dept=31")
    assert [row["days"] for row in covered] == [20]


@pytest.mark.slow
def test_an_archive_that_was_overtaken_is_published_with_the_newer_build(one, host, tmp_path: Path, monkeypatch):
    load(one, NORMALS, days_of(date(2000, 1, 1), 40))
    publish_archive(one.paths, "a run", print)
    two = host(tmp_path / "two")
    take_archive(two.paths, print)
    load(two, LATEST, days_of(date(2025, 1, 1), 10))
    publish = Shelf.publish
    overtaken: list[str] = []

    def be_overtaken(shelf: Shelf, folder: Path, manifest: Manifest) -> None:
        if not overtaken:
            overtaken.append(manifest.id)
            load(one, NEIGHBOUR, days_of(date(2000, 1, 1), 20, "31069001"))
            publish_archive(one.paths, "a run", print)
        publish(shelf, folder, manifest)

    monkeypatch.setattr(Shelf, "publish", be_overtaken)
    manifest = publish_archive(two.paths, "a run", print)
    assert (manifest.sequence, len(overtaken)) == (4, 1)
    monkeypatch.setattr(Shelf, "publish", _always_fenced)
    load(two, LATEST, days_of(date(2025, 1, 1), 11), NEW)
    with pytest.raises(Fenced):
        publish_archive(two.paths, "a run", print)


def _always_fenced(_shelf: Shelf, _folder: Path, _manifest: Manifest) -> None:
    raise Fenced(1, 2)


def test_damaged_files_are_noticed_and_fetched_again(one, host, tmp_path: Path):
    load(one, NORMALS, days_of(date(2000, 1, 1), 40))
    publish_archive(one.paths, "a run", print)
    reader = host(tmp_path / "reader")
    reader.follow()
    assert reader.mend() == []
    whole, missing, *_ = sorted(archive_files(reader))
    content = (reader.paths.root / whole).read_bytes()
    (reader.paths.root / whole).chmod(0o644)
    (reader.paths.root / whole).write_bytes(content[:-1])
    (reader.paths.root / missing).unlink()
    assert reader.mend() == [whole, missing]
    assert (reader.paths.root / whole).read_bytes() == content
    # Bytes that changed under the same size and time are found when the file's turn comes.
    before = (reader.paths.root / whole).stat()
    (reader.paths.root / whole).chmod(0o644)
    (reader.paths.root / whole).write_bytes(content[:-1] + b"?")
    os.utime(reader.paths.root / whole, ns=(before.st_atime_ns, before.st_mtime_ns))
    files = len(archive_files(reader)) + 2  # and the snapshot's own two
    assert [found for found in (reader.mend() for _ in range(files)) if found] == [[whole]]
    assert (reader.paths.root / whole).read_bytes() == content
    shutil.rmtree(reader.paths.snapshots)
    assert reader.mend() == []  # nothing is laid yet

"""Publications between data folders, on a real store. The files' content is any: the shelf looks into none but JSON."""

import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from ingestion.archive.ledger import ArchiveFile, Ledger, read_ledger, write_ledger
from ingestion.paths import WAREHOUSE_FILE, DataPaths
from orchestration.errors import Fenced, FolderOfItsOwn, OrchestrationError, ShelfDamaged, SnapshotNotFound
from orchestration.progress import note, read_records
from orchestration.shelf.home import read_base
from orchestration.shelf.records import Records
from orchestration.shelf.shelf import Shelf
from orchestration.shelf.store import open_store
from orchestration.snapshots.snapshots import Manifest, serve_snapshot, served_snapshot, write_manifest

pytestmark = pytest.mark.xdist_group("hosts")

CLOSED = "closed/marts.hourly_observations/2025-01-0123456789abcdef.parquet"
PAYLOAD = "landing/demo/2026-11-24/20261124T060000000000Z_hourly_9_0123456789abcdef.csv.gz"


def write(paths: DataPaths, path: str, content: str) -> None:
    file = paths.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)


def publish(shelf: Shelf, number: int, content: str, closed: tuple[str, ...] = ()) -> str:
    """Publish as `publish_build` does: the folder is complete, then put, then named and served."""
    paths = shelf.paths
    write(paths, "build/warehouse.duckdb", content)
    snapshot_id = f"{number:06d}-20261124T060000Z"
    manifest = Manifest(snapshot_id, number, f"2026-11-24T06:00:0{number}+00:00", "demo", {}, len(content))
    folder = paths.snapshots / f".new-{snapshot_id}"
    write(paths, f"snapshots/.new-{snapshot_id}/{WAREHOUSE_FILE}", content)
    manifest = replace(manifest, closed=list(closed))
    write_manifest(folder, manifest)
    try:
        shelf.publish(folder, manifest)
    except OrchestrationError:
        shutil.rmtree(folder)
        raise
    folder.rename(paths.snapshots / snapshot_id)
    serve_snapshot(paths, snapshot_id)
    return snapshot_id


def served(shelf: Shelf) -> str:
    return shelf.paths.published.read_text()


@pytest.fixture
def first(host, tmp_path: Path) -> Shelf:
    return host(tmp_path / "first")


@pytest.fixture
def second(host, tmp_path: Path) -> Shelf:
    return host(tmp_path / "second")


def test_what_one_host_publishes_another_serves_byte_for_byte(first, second):
    write(first.paths, CLOSED, "a closed month")
    published = publish(first, 1, "one", closed=(CLOSED,))
    assert second.follow().served == published
    assert served(second) == "one"
    assert (second.paths.root / CLOSED).read_text() == "a closed month"
    here, there = ((shelf.paths.snapshots / published / "manifest.json").read_bytes() for shelf in (first, second))
    assert here == there
    assert read_base(second.paths).generation == 0  # it has no build file, and may take the state later


def test_of_two_workers_with_the_same_generation_exactly_one_publishes(first, second):
    publish(first, 1, "one")
    second.take_state(print)
    assert second.paths.build_file.read_text() == "one"
    publish(first, 2, "two of the first")
    with pytest.raises(Fenced, match="generation 2, and this run began from 1"):
        publish(second, 2, "two of the second")
    assert served(second) == "one"
    second.take_state(print)
    assert second.paths.build_file.read_text() == "two of the first"
    publish(second, 3, "three")
    first.follow()
    assert (served(first), first.look().generation) == ("three", 3)


def test_a_rollback_is_for_all_and_does_not_fence_a_run(first, second):
    one = publish(first, 1, "one")
    two = publish(first, 2, "two")
    second.follow()
    assert second.serve(None) == one
    first.follow()
    assert served(first) == "one"
    publish(first, 3, "three")  # it began from generation 2, which the rollback left
    second.follow()
    assert served(second) == "three"
    assert list(second.look().snapshots) == [one, two, "000003-20261124T060000Z"]
    with pytest.raises(SnapshotNotFound):
        second.serve("000009-20261124T060000Z")


def test_retention_is_central(first, second):
    ids = [publish(first, number, f"content {number}") for number in range(1, 6)]
    while second.follow() and sorted(path.name for path in second.paths.snapshots.iterdir()) != ids[2:]:
        pass
    publish(first, 6, "content 6")
    for _ in range(3):
        second.follow()
    assert sorted(path.name for path in second.paths.snapshots.iterdir()) == [*ids[3:], "000006-20261124T060000Z"]


def test_a_shared_file_is_put_once_and_fetched_once(first, second):
    write(first.paths, CLOSED, "a closed month")
    publish(first, 1, "one", closed=(CLOSED,))
    second.follow()
    put = second.store.keys("closed/")
    laid = (second.paths.root / CLOSED).stat()
    publish(first, 2, "two", closed=(CLOSED,))
    second.follow()
    assert second.store.keys("closed/") == put  # the same times of writing
    assert len(put) == 1
    assert (second.paths.root / CLOSED).stat().st_ino == laid.st_ino


def test_bytes_that_were_changed_in_the_store_are_not_served(first, second):
    publish(first, 1, "one")
    second.follow()
    two = publish(first, 2, "two")
    key = next(key for key in first.store.keys(f"snapshots/{two}/") if WAREHOUSE_FILE in key)
    other = first.paths.root / "other"
    other.write_text("2wo")
    first.store.upload(key, other)
    with pytest.raises(ShelfDamaged, match=WAREHOUSE_FILE):
        second.follow()
    assert served(second) == "one"
    assert [path.name for path in second.paths.snapshots.iterdir()] == ["000001-20261124T060000Z"]


def test_a_folder_with_a_warehouse_of_its_own_is_not_mixed_with_another(first, second):
    publish(first, 1, "one")
    other = Shelf(open_store("s3://girouette/another-prefix"), second.paths, keep=3)
    publish(other, 1, "years of another place")
    for step in (second.follow, lambda: second.take_state(print), lambda: publish(second, 2, "more")):
        with pytest.raises(FolderOfItsOwn, match="an empty folder to join it"):
            step()
    assert served(second) == "years of another place"


def test_a_first_run_that_was_overtaken_joins_and_keeps_its_file_aside(first, second):
    write(second.paths, "build/warehouse.duckdb", "a first run, not published")
    publish(first, 1, "one")
    with pytest.raises(Fenced):
        publish(second, 1, "a first run, not published")
    second.take_state(print)
    assert second.paths.build_file.read_text() == "one"
    assert (second.paths.root / "build" / "before-shelf.duckdb").read_text() == "a first run, not published"
    publish(second, 2, "two")
    first.follow()
    assert served(first) == "two"


def refuse(paths: DataPaths, *names: str) -> None:
    """Write a ledger of refused files: they have no rows, so the shelf needs no Parquet file of them."""
    files = [
        ArchiveFile("9", name, name, f"{name}.csv", "2026-01-01", "2026-01-02", status="refused") for name in names
    ]
    paths.archive.mkdir(parents=True, exist_ok=True)
    write_ledger(paths, Ledger("demo", files))


def test_a_worker_takes_the_archive_and_keeps_what_only_it_has_loaded(first, second):
    def names() -> list[str]:
        return [file.period for file in read_ledger(second.paths).files]

    refuse(first.paths, "a")
    publish(first, 1, "one")
    second.take_state(print)
    assert names() == ["a"]
    refuse(second.paths, "a", "b")  # not published yet
    publish(first, 2, "two")
    second.take_state(print)
    assert names() == ["a", "b"]
    refuse(first.paths, "a", "c")
    publish(first, 3, "three")
    said: list[str] = []
    second.take_state(said.append)
    assert names() == ["a", "b", "c"]
    assert "both lists are joined" in said[0]
    publish(second, 4, "four")
    first.take_state(print)
    assert read_ledger(first.paths) == read_ledger(second.paths) == first.read_ledger()


def test_any_host_can_fetch_what_another_landed(first, second):
    write(first.paths, PAYLOAD, "as received")
    publish(first, 1, "one")
    assert second.fetch_landed() == 1
    assert (second.paths.root / PAYLOAD).read_text() == "as received"
    assert second.fetch_landed() == 0


def test_a_check_that_found_nothing_new_is_told_to_all(first, second):
    published = publish(first, 1, "one")
    second.follow()
    first.record_check()
    second.follow()
    told = served_snapshot(second.paths)
    assert told.id == published
    assert told.checked_at == first.look().checked_at != ""


def test_the_progress_of_a_run_is_seen_at_every_host(first, second):
    run_id = "0192f0c1-8d1e-7a55-9a39-5b1f6f0e2c11"
    runs, readers = Records(first.store, first.paths), Records(second.store, second.paths)
    readers.fetch(run_id)  # asked for before anything is there
    assert read_records(second.paths, run_id) == []
    note(first.paths, run_id, "packet", name="Ariège (9)")
    runs.put_new()
    readers.fetch(run_id)  # not again within the second
    assert read_records(second.paths, run_id) == []
    time.sleep(1)
    readers.fetch(run_id)
    assert [record["name"] for record in read_records(second.paths, run_id)] == ["Ariège (9)"]
    note(first.paths, run_id, "node", name="stations")
    runs.put_new()
    time.sleep(1)
    readers.fetch(run_id)
    readers.put_new()  # what it fetched is not its own to put
    assert read_records(second.paths, run_id) == read_records(first.paths, run_id)
    assert second.store.keys("runs/").keys() == {f"runs/{run_id}.jsonl"}


def test_only_one_thread_waits_for_a_store_that_never_answers(first, seaweed):
    records = Records(first.store, first.paths)
    run_id = "0192f0c1-8d1e-7a55-9a39-5b1f6f0e2c12"
    seaweed.process.send_signal(signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(2) as pool:
            waiting = pool.submit(records.fetch, run_id)
            time.sleep(1.5)  # longer than between two questions
            pool.submit(records.fetch, run_id).result(1)
            assert not waiting.done()
            seaweed.process.send_signal(signal.SIGCONT)
            waiting.result()
    finally:
        seaweed.process.send_signal(signal.SIGCONT)

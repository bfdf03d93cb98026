"""Publishing: an atomic pointer, a manifest that tells the truth, and nothing half-done ever served."""

import errno
import json
import os
from pathlib import Path

import duckdb
import pytest

from ingestion.__main__ import main as ingest
from ingestion.errors import StorageFailed
from ingestion.storage import storage_faults
from orchestration.build.build_log import begin_build, finish_build
from orchestration.errors import NothingToPublish
from orchestration.snapshots import publish as publish_module
from orchestration.snapshots.publish import discard_old, publish_build, sweep
from orchestration.snapshots.snapshots import kept_snapshots, roll_back, served_snapshot


def ids(paths):
    return [manifest.id for manifest in kept_snapshots(paths)]


def test_the_pointer_leads_to_the_snapshots_file_and_stays_right_when_the_folder_moves(published, tmp_path, query):
    assert str(published.published.readlink()).startswith("snapshots/000001-")
    moved = tmp_path / "elsewhere"
    published.root.rename(moved)
    assert query(moved / "warehouse.duckdb", "select count(*) > 0 from marts.latest_observations") == [(True,)]


def test_the_manifest_says_what_the_snapshot_is(published, query):
    manifest = served_snapshot(published)
    raw = json.loads((published.published.resolve().parent / "manifest.json").read_text())
    assert (raw["id"], raw["sequence"], raw["previous"], raw["run_id"]) == (manifest.id, 1, None, "a run")
    assert (raw["source"], raw["departments"]) == ("meteofrance", ["9"])
    assert raw["newest_observation"] == "2026-11-20T05:00:00Z"
    assert raw["published_at"] == raw["checked_at"]
    assert raw["published_at"].endswith("+00:00")
    assert raw["size_bytes"] == published.published.stat().st_size
    assert raw["duckdb_version"] == duckdb.__version__
    assert set(raw["dbt"]["by_status"]) <= {"success", "pass", "no-op"}
    assert {"hourly_observations", "assert_hours_are_conserved"} <= {node["name"] for node in raw["dbt"]["nodes"]}
    assert {"raw.observations", "raw.stations", "marts.hourly_observations", "meta.loads"} <= set(raw["row_counts"])
    for table, rows in raw["row_counts"].items():
        assert query(published.published, f"select count(*) from {table}") == [(rows,)], table
    [(newest_load,)] = query(published.published, "select max(load_id) from meta.loads where rows_new > 0")
    assert raw["last_load_id"] == newest_load


def test_each_publication_is_a_new_file_and_names_the_one_before(published):
    first = served_snapshot(published)
    before = published.published.resolve().read_bytes()
    second = publish_build(published, keep=24)
    assert (second.sequence, second.previous) == (2, first.id)
    assert served_snapshot(published) == second
    assert (published.snapshots / first.id / "warehouse.duckdb").read_bytes() == before


def test_old_snapshots_are_deleted_over_the_limit(published):
    for _ in range(4):
        publish_build(published, keep=3)
    assert [snapshot_id[:6] for snapshot_id in ids(published)] == ["000003", "000004", "000005"]
    assert {path.name for path in published.snapshots.iterdir()} == set(ids(published))


def test_the_served_snapshot_is_never_deleted(published, query):
    oldest = served_snapshot(published).id
    for _ in range(3):
        publish_build(published, keep=24)
    roll_back(published, oldest)
    assert len(discard_old(published, keep=1)) == 2
    assert [snapshot_id[:6] for snapshot_id in ids(published)] == ["000001", "000004"]
    assert query(published.published, "select count(*) > 0 from marts.stations") == [(True,)]


def test_a_reader_keeps_the_snapshot_it_has_open_after_it_was_deleted(published):
    with duckdb.connect(str(published.published), read_only=True) as reader:
        for _ in range(3):
            publish_build(published, keep=2)
        assert "000001" not in [snapshot_id[:6] for snapshot_id in ids(published)]
        assert reader.execute("select count(*) from marts.hourly_observations where temperature_c > -90").fetchone()[0]


def test_a_snapshot_may_not_be_written(published):
    assert published.published.stat().st_mode & 0o222 == 0
    assert published.build_file.stat().st_mode & 0o200


def test_what_a_killed_tool_left_beside_the_pointer_is_not_applied_to_the_next_snapshot(published):
    left = published.root / "warehouse.duckdb.wal"  # where DuckDB up to 1.4 puts it
    left.write_bytes(b"changes of a snapshot that is no longer served")
    publish_build(published, keep=24)
    assert not left.exists()


def test_sequence_numbers_go_on_after_a_rollback(published):
    first = served_snapshot(published).id
    publish_build(published, keep=24)
    roll_back(published, first)
    third = publish_build(published, keep=24)
    assert (third.sequence, third.previous) == (3, first)


@pytest.mark.parametrize("step", ["copy_file", "write_manifest", "aim_pointer", "discard_old"])
def test_killed_anywhere_a_publication_leaves_a_whole_snapshot_served_and_the_next_one_tidies_up(
    published, monkeypatch, step, query
):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as at:
        at.setattr(publish_module, step, killed)
        with pytest.raises(KeyboardInterrupt):
            publish_build(published, keep=24)
    expected = 2 if step == "discard_old" else 1
    assert served_snapshot(published).sequence == expected
    assert query(published.published, "select count(*) > 0 from marts.stations") == [(True,)]
    assert publish_build(published, keep=24).sequence == expected + 1
    assert {path.name for path in published.snapshots.iterdir()} == set(ids(published))


def test_a_snapshot_killed_before_its_pointer_moved_is_served_by_the_next_run_without_news(
    published, run, monkeypatch, later
):
    later()

    def killed_once_aimed(paths):
        if (paths.root / ".warehouse.duckdb.next").is_symlink():
            raise KeyboardInterrupt

    with monkeypatch.context() as at:
        at.setattr(publish_module, "move_pointer", killed_once_aimed)
        with pytest.raises(KeyboardInterrupt):
            run()
    assert [m.sequence for m in kept_snapshots(published)] == [1, 2]
    assert served_snapshot(published).sequence == 1
    summary = run()
    assert not summary.is_published
    assert (summary.snapshot.sequence, served_snapshot(published).sequence) == (2, 2)


def test_a_pointer_aimed_at_a_snapshot_that_was_never_finished_is_forgotten(published):
    aimed = published.root / ".warehouse.duckdb.next"
    aimed.symlink_to("snapshots/000009-never/warehouse.duckdb")
    sweep(published)
    assert not aimed.is_symlink()
    assert served_snapshot(published).sequence == 1


def test_unfinished_and_half_deleted_folders_are_no_snapshots_and_are_swept(published):
    for name in (".new-000009-x", ".old-000001-x"):
        (published.snapshots / name).mkdir()
        (published.snapshots / name / "warehouse.duckdb").touch()
    (published.snapshots / "000008-without-a-manifest").mkdir()
    assert len(ids(published)) == 1
    publish_build(published, keep=24)
    assert not list(published.snapshots.glob(".*"))


def test_there_is_nothing_to_publish_before_the_first_build(paths):
    with pytest.raises(NothingToPublish, match="holds no tested build"):
        publish_build(paths, keep=24)
    assert not paths.build_file.exists()


def test_a_build_that_failed_or_was_killed_is_not_published(published):
    build_id, _ = begin_build(published, "killed")
    with pytest.raises(NothingToPublish):
        publish_build(published, keep=24)
    finish_build(published, build_id, [], passed=False, seconds=1)
    with pytest.raises(NothingToPublish):
        publish_build(published, keep=24)
    finish_build(published, build_id, [], passed=True, seconds=1)
    assert publish_build(published, keep=24).sequence == 2


def test_raw_that_no_build_has_seen_is_not_published(published, later):
    later()
    assert ingest(["--dept", "9"]) == 0
    with pytest.raises(NothingToPublish, match="run `make dbt-build` first"):
        publish_build(published, keep=24)
    assert served_snapshot(published).sequence == 1


def test_a_copy_falls_back_where_the_kernel_cannot_copy(tmp_path, monkeypatch):
    def cannot(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "copy_file_range", cannot)
    (tmp_path / "a").write_bytes(b"x" * 5_000_000)
    publish_module.copy_file(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()


def test_a_kernel_that_copies_nothing_and_calls_it_success_makes_no_half_snapshot(tmp_path, monkeypatch):
    answers = iter([1_000, 0])
    copy = os.copy_file_range
    monkeypatch.setattr(
        os, "copy_file_range", lambda source, target, _: (n := next(answers)) and copy(source, target, n)
    )
    (tmp_path / "a").write_bytes(os.urandom(50_000))
    publish_module.copy_file(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS], ids=["vfat", "exfat by FUSE"])
def test_a_file_system_without_symbolic_links_is_named_and_left_clean(published, monkeypatch, number):
    def refuse(link, _):
        raise OSError(number, os.strerror(number), "snapshots/000002", None, str(link))

    served = served_snapshot(published)
    monkeypatch.setattr(Path, "symlink_to", refuse)
    advice = "set DATA_DIR to a folder on a file system with symbolic links"
    with pytest.raises(StorageFailed, match=advice), storage_faults(published):
        publish_build(published, keep=24)
    assert [path.name for path in published.snapshots.iterdir()] == [served.id]
    assert served_snapshot(published) == served

"""Going back, and what a snapshot's manifest remembers."""

import json
from dataclasses import replace

import pytest

from orchestration.__main__ import main
from orchestration.errors import SnapshotNotFound
from orchestration.snapshots.publish import publish_build
from orchestration.snapshots.snapshots import kept_snapshots, newest_snapshot, record_check, roll_back, served_snapshot


@pytest.fixture
def three(published):
    """The ids of three snapshots, the last one served."""
    publish_build(published, keep=24)
    publish_build(published, keep=24)
    return [manifest.id for manifest in kept_snapshots(published)]


def test_rolling_back_serves_the_snapshot_before_and_again_the_one_before(published, three):
    for expected in (three[1], three[0]):
        assert roll_back(published).id == expected
        assert served_snapshot(published).id == expected
    assert newest_snapshot(published).id == three[2]


def test_rolling_back_by_id_goes_to_any_kept_snapshot_and_forward_too(published, three):
    for snapshot_id in (three[0], three[2]):
        assert roll_back(published, snapshot_id).id == snapshot_id
        assert served_snapshot(published).id == snapshot_id


def test_an_unknown_snapshot_is_refused_with_those_that_are_kept(published, three):
    with pytest.raises(SnapshotNotFound, match=f"there is no snapshot 000009; kept are: {', '.join(three)}"):
        roll_back(published, "000009")
    assert served_snapshot(published).id == three[2]


def test_before_the_first_snapshot_there_is_none_to_go_back_to(published, paths):
    with pytest.raises(SnapshotNotFound, match="no snapshot before the one served"):
        roll_back(published)
    assert served_snapshot(published).sequence == 1


def test_without_any_snapshot_nothing_is_served(paths):
    assert (kept_snapshots(paths), newest_snapshot(paths), served_snapshot(paths)) == ([], None, None)
    with pytest.raises(SnapshotNotFound, match="kept are: none"):
        roll_back(paths)


def test_the_commands_publish_and_roll_back_and_say_so(published, capsys):
    first = served_snapshot(published).id
    assert main(["publish"]) == 0
    assert "snapshot 000002-" in capsys.readouterr().out
    assert main(["rollback"]) == 0
    assert f"snapshot {first} of " in capsys.readouterr().out
    assert main(["rollback", "--snapshot", "nonsense"]) == 1
    assert "error: there is no snapshot nonsense" in capsys.readouterr().err


def test_recording_a_check_changes_nothing_else(published):
    before = replace(served_snapshot(published), checked_at="2026-01-01T00:00:00+00:00")
    checked = record_check(published, before)
    assert checked.checked_at > before.checked_at
    assert served_snapshot(published) == checked
    assert replace(checked, checked_at=before.checked_at) == before


def test_a_manifest_that_cannot_be_read_is_no_snapshot(published, three):
    (published.snapshots / three[1] / "manifest.json").write_text(json.dumps({"id": three[1]}))
    (published.snapshots / three[0] / "manifest.json").write_text("{")
    assert [manifest.id for manifest in kept_snapshots(published)] == [three[2]]

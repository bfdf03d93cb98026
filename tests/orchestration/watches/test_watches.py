"""Watches over real snapshots: what is told, once, to a real HTTP server."""

from datetime import UTC, datetime, timedelta

import pytest

from api.warehouse.open.sandbox import connect_sandbox
from ingestion.paths import DataPaths
from orchestration.backup import frozen, restore_backup, write_backup
from orchestration.errors import WatchNotFound
from orchestration.notices.outbox import send_due
from orchestration.notices.store import open_store
from orchestration.snapshots.snapshots import kept_snapshots
from orchestration.watches.after_run import tell_watchers
from orchestration.watches.condition import read_condition
from orchestration.watches.evaluate import judge_watches
from orchestration.watches.watches import Wish, add_watch, delete_watch, list_watches

pytestmark = pytest.mark.xdist_group("watches")

NIGHT = datetime(2026, 11, 21, tzinfo=UTC)
SAINT_GIRONS, OTHER = "09289001", "09024004"


@pytest.fixture
def watch(published, receiver):
    def add(condition="temperature_c < 0", *, stations=(SAINT_GIRONS,), made=NIGHT, **options):
        address = options.pop("address", f"{receiver.url}/secret-path")
        wish = Wish(options.pop("name", ""), read_condition(condition), address, stations=stations, **options)
        return add_watch(published, wish, made)

    return add


@pytest.fixture
def tell(published, receiver):
    """Judge and send as the end of a run does, at an hour of the night; give the new messages' titles."""

    def at(snapshot, hour: float):
        now, before = NIGHT + timedelta(hours=hour), len(receiver.messages)
        judge_watches(published, snapshot, now)
        send_due(published, (), now)
        return receiver.titles[before:]

    return at


def test_an_event_is_told_once_in_and_once_out(watch, tell, next_snapshot, receiver):
    watch(name="Orchard")
    cold = {1: 2.0, 2: -0.5, 3: -2.5}
    assert tell(next_snapshot(s09289001={1: 2.0}), 1.2) == []
    assert tell(next_snapshot(s09289001=cold), 3.2) == ["Orchard: temperature_c < 0 at ST GIRONS (09289001)"]
    assert tell(next_snapshot(s09289001=cold | {4: -1.0}), 4.2) == []
    warm = next_snapshot(s09289001=cold | {4: -1.0, 5: 0.0})
    assert tell(warm, 5.2) == ["Over: Orchard: temperature_c < 0"]
    assert tell(warm, 5.3) == []
    assert receiver.messages[0]["message"] == (
        "Since 2026-11-21 02:00 UTC: temperature_c -0.5 at ST GIRONS (09289001).\n"
        "Source : Météo-France, Licence Ouverte / Etalab 2.0"
    )
    assert receiver.messages[1]["message"].splitlines()[:2] == [
        "From 2026-11-21 02:00 UTC at ST GIRONS (09289001) until 2026-11-21 05:00 UTC.",
        "The lowest: temperature_c -2.5 at ST GIRONS (09289001), 2026-11-21 03:00 UTC.",
    ]


def test_several_stations_are_one_event_and_a_late_one_does_not_end_it(watch, tell, next_snapshot):
    watch("temperature_c < -30", stations=(SAINT_GIRONS, OTHER))
    first = {"s09289001": {1: -31.0}, "s09024004": {1: 3.0}}
    assert tell(next_snapshot(**first), 1.2) == ["temperature_c < -30 at ST GIRONS (09289001)"]
    # ST GIRONS is late, the other one is warm: its last value still counts.
    assert tell(next_snapshot(s09024004={2: 3.0}), 2.2) == []
    assert tell(next_snapshot(s09289001={2: 1.0, 3: 1.0}, s09024004={3: 3.0}), 3.2) == ["Over: temperature_c < -30"]


def test_a_message_that_was_not_marked_as_sent_is_repeated_and_none_is_lost(
    published, watch, tell, next_snapshot, receiver
):
    watch()
    judge_watches(published, next_snapshot(s09289001={1: -1.0}), NIGHT)  # killed before sending
    assert send_due(published, (), NIGHT + timedelta(hours=2)) == 1  # the next process sends it
    with open_store(published) as connection:  # killed between sending and writing
        connection.execute("update messages set sent_at = null")
    assert send_due(published, (), NIGHT + timedelta(hours=2)) == 1
    assert receiver.titles == ["temperature_c < 0 at ST GIRONS (09289001)"] * 2


def test_an_address_that_fails_is_tried_again_in_order_and_at_last_given_up(
    published, watch, tell, next_snapshot, receiver
):
    watch()
    receiver.status = 500
    assert tell(next_snapshot(s09289001={1: -1.0}), 1) == []
    assert tell(next_snapshot(s09289001={2: 5.0}), 1.01) == []  # the second message waits for the first
    receiver.status = 200
    assert send_due(published, (), NIGHT + timedelta(hours=1.01)) == 0  # a minute has not passed
    assert send_due(published, (), NIGHT + timedelta(hours=1.1)) == 2
    assert receiver.titles == ["temperature_c < 0 at ST GIRONS (09289001)", "Over: temperature_c < 0"]
    receiver.status = 500
    tell(next_snapshot(s09289001={3: -1.0}), 3)
    send_due(published, (), NIGHT + timedelta(days=4))
    receiver.status = 200
    assert send_due(published, (), NIGHT + timedelta(days=5)) == 0
    [(_, event, messages)] = list_watches(published)
    assert event["began_at"] == "2026-11-21T03:00:00+00:00"
    assert (messages[0]["tries"], messages[0]["given_up_at"]) == (2, "2026-11-25T00:00:00+00:00")


def test_a_redirect_is_not_followed(published, watch, tell, next_snapshot, receiver):
    watch()
    receiver.status = 307
    tell(next_snapshot(s09289001={1: -1.0}), 1)
    receiver.status = 200
    assert receiver.messages == []


def test_quiet_hours_hold_messages_and_an_event_within_them_is_one_message(watch, tell, next_snapshot):
    watch(quiet="22:00-06:00")
    assert tell(next_snapshot(s09289001={1: -1.0}), 1.2) == []
    assert tell(next_snapshot(s09289001={2: 1.0}), 2.2) == []
    assert tell(next_snapshot(s09289001={3: -4.0}), 6.1) == [
        "It was: temperature_c < 0",
        "temperature_c < 0 at ST GIRONS (09289001)",
    ]


def test_a_correction_that_takes_an_event_away_ends_it(watch, tell, next_snapshot, receiver):
    watch()
    tell(next_snapshot(s09289001={1: -1.0}), 1.2)
    assert tell(next_snapshot(s09289001={1: 9.0, 2: 9.0}), 2.2) == ["Over: temperature_c < 0"]
    assert receiver.messages[-1]["message"].startswith("Corrected values say that it did not happen")


def test_a_departement_is_all_its_stations(watch, tell, next_snapshot):
    watch("temperature_c > 40", stations=(), department="9")
    assert tell(next_snapshot(s09024004={1: 41.0}), 1.2)[0].startswith("temperature_c > 40 at ")


def test_silence_is_told_without_a_new_snapshot(published, watch, tell, next_snapshot):
    watch("silent 6 h")
    snapshot = next_snapshot(s09289001={1: 3.0})
    assert tell(snapshot, 6.9) == []
    assert tell(snapshot, 7.1) == ["silent 6 h at ST GIRONS (09289001)"]
    assert tell(snapshot, 8) == []
    assert tell(next_snapshot(s09289001={8: 3.0}), 8.5) == ["Over: silent 6 h"]


def test_a_process_that_serves_the_snapshot_can_judge_it(published, watch, tell, next_snapshot):
    watch()
    snapshot = next_snapshot(s09289001={1: -1.0})
    served = published.snapshots / snapshot.id / "warehouse.duckdb"
    with connect_sandbox(served, threads=1, memory_mb=200):
        assert tell(snapshot, 1.2) == ["temperature_c < 0 at ST GIRONS (09289001)"]


def test_an_older_snapshot_served_again_tells_nothing(published, watch, tell, next_snapshot):
    watch()
    tell(next_snapshot(s09289001={1: -1.0}), 1.2)
    assert tell(kept_snapshots(published)[0], 1.3) == []


def test_nothing_is_written_before_there_is_a_watch(published, next_snapshot):
    judge_watches(published, next_snapshot())
    send_due(published, ())
    assert list_watches(published) == []
    assert not published.notices.exists()


def test_a_deleted_watch_is_gone_with_its_messages(published, watch, tell, next_snapshot):
    made = watch()
    judge_watches(published, next_snapshot(s09289001={1: -1.0}), NIGHT)
    delete_watch(published, made.id)
    assert send_due(published, (), NIGHT) == 0
    with pytest.raises(WatchNotFound):
        delete_watch(published, made.id)


def test_the_file_is_the_owners_alone(published, watch):
    watch()
    assert published.notices.stat().st_mode & 0o077 == 0


def test_watches_come_back_from_a_backup_for_the_owner_alone(published, watch, tmp_path):
    made = watch()
    with frozen(published) as folder:
        file = write_backup(published, folder, tmp_path)
    restored = DataPaths(tmp_path / "restored")
    restore_backup(file, restored)
    assert [kept.id for kept, _, _ in list_watches(restored)] == [made.id]
    assert restored.notices.stat().st_mode & 0o077 == 0


def test_a_run_judges_and_sends_at_its_end(published, run, later, watch, receiver):
    watch("temperature_c > -90", made=datetime(2026, 11, 20, tzinfo=UTC))
    later()
    summary = run()
    assert [title.partition(" at ")[0] for title in receiver.titles] == ["temperature_c > -90"]
    assert any("temperature_c > -90" in line for line in summary.said)
    assert "secret-path" not in "\n".join(summary.said)


def test_a_failing_address_and_a_broken_file_fail_no_run(published, run, later, watch, receiver):
    watch("temperature_c > -90", address="json://127.0.0.1:9/secret-path")
    later()
    assert run().is_published
    published.notices.write_bytes(b"no database, but long enough to be taken for one")
    said = []
    tell_watchers(published, kept_snapshots(published)[-1], (), said.append)
    assert said == ["the watches were not judged and are tried again: file is not a database"]

"""Judge every watch against a published snapshot: read, compare with what was told, write what to tell."""

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ingestion.paths import DataPaths
from orchestration.notices.outbox import Message, forget_old, put
from orchestration.notices.store import as_moment, as_text, is_used, open_store, transaction
from orchestration.snapshots.open_snapshot import open_snapshot
from orchestration.snapshots.snapshots import Manifest
from orchestration.watches.condition import SILENT
from orchestration.watches.hours import LONGEST, Place, read_places, read_points
from orchestration.watches.judge import Change, Event, Point, compare, find_intervals
from orchestration.watches.texts import moment, write_message
from orchestration.watches.watches import Watch, all_watches


@dataclass(frozen=True)
class Told:
    """One change of one watch, for logs and Prefect's events. No address."""

    watch: Watch
    kind: str
    title: str
    began_at: str
    station: str
    snapshot: str


def judge_watches(paths: DataPaths, snapshot: Manifest, now: datetime | None = None) -> list[Told]:
    """Write the messages that a snapshot gives reason for. One that was judged before gives none.

    Watches, events and messages change in one transaction, so a kill leaves all as it was or all as it is to be.
    """
    if not is_used(paths) or snapshot.newest_observation is None:
        return []
    now = now or datetime.now(UTC)
    newest = datetime.fromisoformat(snapshot.newest_observation)
    with open_store(paths) as store, transaction(store):
        watches = [watch for watch in all_watches(store) if _is_due(watch, snapshot, newest)]
        if not watches:
            return []
        known = _events(store, newest)
        on = {watch_id for watch_id, events in known.items() if any(event.ended is None for event in events)}
        with open_snapshot(paths, snapshot.id) as connection:
            places = read_places(connection)
            points = read_points(connection, watches, places, newest, now, on)
        told = [
            _write(store, watch, change, places, snapshot, now)
            for watch in watches
            for change in _changes(watch, points.get(watch.id, ()), known[watch.id])
        ]
        store.executemany(
            "update watches set judged_snapshot = ?, judged_until = ? where id = ?",
            [(snapshot.id, as_text(newest), watch.id) for watch in watches],
        )
        forget_old(store, now)
    return told


def _is_due(watch: Watch, snapshot: Manifest, newest: datetime) -> bool:
    """Silence grows without any snapshot; everything else is judged once a snapshot. After a rollback, nothing is."""
    if watch.judged_until is not None and newest < watch.judged_until:
        return False
    return watch.condition.column == SILENT or watch.judged_snapshot != snapshot.id


def _events(store: sqlite3.Connection, newest: datetime) -> defaultdict[str, list[Event]]:
    found: defaultdict[str, list[Event]] = defaultdict(list)
    since = as_text(newest - LONGEST)  # no hour before is judged
    for row in store.execute("select * from events where ended_at is null or ended_at >= ? order by id", [since]):
        began = Point(_hour(row["began_at"]), row["began_value"], row["began_station"])
        found[row["watch_id"]].append(Event(row["id"], began, _hour(row["ended_at"]) if row["ended_at"] else None))
    return found


def _changes(watch: Watch, points: Sequence[Point], known: Sequence[Event]) -> list[Change]:
    if not points:
        return []
    still_on = next((event.began for event in known if event.ended is None), None)
    if still_on is not None and still_on.hour >= points[0].hour:
        still_on = None  # the hours say so themselves
    found = find_intervals(points, watch.condition, watch.hysteresis, still_on)
    return compare(found, known, points[-1], int(watch.made_at.timestamp() // 3600))


def _write(
    store: sqlite3.Connection,
    watch: Watch,
    change: Change,
    places: dict[str, Place],
    snapshot: Manifest,
    now: datetime,
) -> Told:
    began, ended, is_unsent = change.interval.began, change.interval.ended, False
    if change.event is None:
        row = store.execute(
            "insert into events (watch_id, began_at, began_value, began_station, ended_at) values (?, ?, ?, ?, ?)"
            " returning id",
            [watch.id, _at(began.hour), began.value, began.station, _at(ended) if ended is not None else None],
        ).fetchone()
        event_id = int(row[0])
    else:
        event_id = change.event.id
        store.execute("update events set ended_at = ? where id = ?", [_at(ended or began.hour), event_id])
        if is_unsent := _withdraw(store, event_id):
            change = replace(change, kind="passed" if change.kind == "over" else change.kind)
    title, body = write_message(watch, change, places, snapshot.source)
    if not (is_unsent and change.kind == "corrected"):  # nobody was told that it began
        due = watch.quiet_hours.end_after(now) if watch.quiet_hours else None
        put(store, Message(event_id, change.kind, title, body, watch.id), now, due)
    return Told(watch, change.kind, title, moment(began.hour), began.station, snapshot.id)


def _withdraw(store: sqlite3.Connection, event_id: int) -> bool:
    """Delete the first message of an event that ended before it was sent, as in quiet hours: one then tells both."""
    return bool(
        store.execute(
            "delete from messages where event_id = ? and watch_id is not null and kind = 'began' and sent_at is null"
            " and tries = 0",
            [event_id],
        ).rowcount
    )


def _at(hour: int) -> str:
    return as_text(datetime.fromtimestamp(hour * 3600, UTC))


def _hour(text: str) -> int:
    return int(as_moment(text).timestamp() // 3600)

"""Watches as they are kept: make one, list them, delete one. The address is written, and read only to send."""

import json
import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from ingestion.paths import DataPaths
from orchestration.errors import TooManyWatches, WatchNotFound
from orchestration.notices.address import deliver, scheme_of
from orchestration.notices.store import as_moment, as_text, is_used, open_store, transaction
from orchestration.watches.condition import Condition, read_condition
from orchestration.watches.quiet import QuietHours, read_quiet_hours

MOST_WATCHES = 5_000
_MESSAGES_SHOWN = 20


@dataclass(frozen=True)
class Watch:
    """One watch. Its stations are named, or all those of a département."""

    id: str
    name: str
    stations: tuple[str, ...]
    department: str | None
    condition_text: str
    hysteresis: float
    quiet: str | None
    timezone: str
    scheme: str
    made_at: datetime
    judged_snapshot: str | None = None
    judged_until: datetime | None = None
    place: str | None = None  # what the station was chosen for

    @cached_property
    def condition(self) -> Condition:
        return read_condition(self.condition_text)

    @property
    def quiet_hours(self) -> QuietHours | None:
        return read_quiet_hours(self.quiet, self.timezone) if self.quiet else None


@dataclass(frozen=True)
class Wish:
    """A watch as somebody asks for it; checked before."""

    name: str
    condition: Condition
    address: str
    stations: tuple[str, ...] = ()
    department: str | None = None
    hysteresis: float = 0.0
    quiet: str | None = None
    timezone: str = "UTC"
    place: str | None = None


def add_watch(paths: DataPaths, wish: Wish, now: datetime | None = None) -> Watch:
    """Keep a new watch, durably. Raises TooManyWatches."""
    watch_id, made_at = secrets.token_hex(6), as_text(now or datetime.now(UTC))
    facts = {
        "name": wish.name or str(wish.condition),
        "stations": wish.stations,
        "department": wish.department,
        "place": wish.place,
        "condition_text": str(wish.condition),
        "hysteresis": wish.hysteresis,
        "quiet": wish.quiet,
        "timezone": wish.timezone,
        "scheme": scheme_of(wish.address),
    }
    with open_store(paths) as connection, transaction(connection):
        (count,) = connection.execute("select count(*) from watches").fetchone()
        if count >= MOST_WATCHES:
            raise TooManyWatches(MOST_WATCHES)
        connection.execute(
            "insert into watches (id, made_at, facts, address) values (?, ?, ?, ?)",
            [watch_id, made_at, json.dumps(facts, ensure_ascii=False), wish.address.strip()],
        )
        row = connection.execute("select * from watches where id = ?", [watch_id]).fetchone()
    return _watch(row)


def delete_watch(paths: DataPaths, watch_id: str) -> None:
    """Forget a watch, its events and what is not sent yet. Raises WatchNotFound."""
    if is_used(paths):
        with open_store(paths) as connection:
            if connection.execute("delete from watches where id = ?", [watch_id]).rowcount:
                return
    raise WatchNotFound(watch_id)


def test_watch(paths: DataPaths, watch_id: str) -> bool:
    """Send a test message to a watch's address now; whether it was taken. Raises WatchNotFound."""
    if is_used(paths):
        with open_store(paths) as connection:
            row = connection.execute("select * from watches where id = ?", [watch_id]).fetchone()
        if row is not None:
            name = _watch(row).name
            return deliver(row["address"], f"Test: {name}", f"This is a test of the watch “{name}”. Nothing happened.")
    raise WatchNotFound(watch_id)


def all_watches(connection: sqlite3.Connection) -> list[Watch]:
    return [_watch(row) for row in connection.execute("select * from watches order by made_at, id")]


def list_watches(paths: DataPaths) -> list[tuple[Watch, sqlite3.Row | None, Sequence[sqlite3.Row]]]:
    """Give each watch with its open event, and its newest messages."""
    if not is_used(paths):
        return []
    with open_store(paths) as connection:
        events = connection.execute("select * from events where ended_at is null order by id").fetchall()
        messages = connection.execute(
            "select * from (select messages.*, row_number() over (partition by watch_id order by id desc) as newest"
            " from messages where watch_id is not null) where newest <= ? order by id desc",
            [_MESSAGES_SHOWN],
        ).fetchall()
        watches = all_watches(connection)
    open_events = {event["watch_id"]: event for event in events}
    told: dict[str, list[sqlite3.Row]] = {}
    for message in messages:
        told.setdefault(message["watch_id"], []).append(message)
    return [(watch, open_events.get(watch.id), told.get(watch.id, [])) for watch in watches]


def _watch(row: sqlite3.Row) -> Watch:
    facts: dict[str, Any] = json.loads(row["facts"])
    return Watch(
        id=row["id"],
        made_at=as_moment(row["made_at"]),
        judged_snapshot=row["judged_snapshot"],
        judged_until=as_moment(row["judged_until"]) if row["judged_until"] else None,
        **{**facts, "stations": tuple(facts["stations"])},
    )

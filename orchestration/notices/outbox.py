"""Messages are written before they are sent: a kill between the two repeats one at worst, and loses none."""

import hashlib
import logging
import sqlite3
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from filelock import FileLock, Timeout

from ingestion.paths import DataPaths
from orchestration.notices.address import deliver
from orchestration.notices.store import KEPT_DAYS, as_moment, as_text, is_used, open_store

log = logging.getLogger("girouette.notices")

# After each failed try the wait doubles, from a minute to an hour.
_WAIT, _LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)
_GIVEN_UP = timedelta(days=3)
_AT_ONCE = 8


@dataclass(frozen=True)
class Message:
    """One message to one address; `target` is empty for a watch, which has one address."""

    event_id: int
    kind: str
    title: str
    body: str
    watch_id: str | None = None
    target: str = ""


def put(connection: sqlite3.Connection, message: Message, now: datetime, due: datetime | None = None) -> None:
    """Write a message to send. The same event and kind is written once for an address."""
    connection.execute(
        "insert or ignore into messages (watch_id, target, event_id, kind, title, body, made_at, due_at)"
        " values (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            *(message.watch_id, message.target, message.event_id, message.kind, message.title, message.body),
            *(as_text(now), as_text(due or now)),
        ],
    )


def target_of(address: str) -> str:
    """Name an address of ALERT_URLS without showing it."""
    return hashlib.sha256(address.encode()).hexdigest()[:16]


def send_due(paths: DataPaths, operator: Sequence[str], now: datetime | None = None, *, seconds: float = 20.0) -> int:
    """Send what is due, the oldest message of each address; return how many were taken.

    Nothing is begun after `seconds`, and a message takes at most ten more: the next call goes on. Another process that
    sends meanwhile does this one's work as well. A message that is not taken is tried again, for three days.
    """
    if not is_used(paths):
        return 0
    sent, until = 0, time.monotonic() + seconds
    try:
        with FileLock(paths.sending_lock, timeout=0, thread_local=False), open_store(paths) as connection:
            by_target = {target_of(address): address for address in operator}
            while time.monotonic() < until and (batch := _due(connection, by_target, now)):
                sent += _send(connection, batch, now)
    except Timeout:
        pass
    return sent


def _due(
    connection: sqlite3.Connection, operator: Mapping[str, str], now: datetime | None
) -> list[tuple[sqlite3.Row, str]]:
    """The oldest unsent message of each address, if it is due: a message never overtakes the one before it.

    Messages to an address that this process does not know are left: a run by hand may have no ALERT_URLS.
    """
    known = ", ".join("?" * len(operator))
    rows = connection.execute(
        "select messages.*, watches.address from messages left join watches on watches.id = messages.watch_id"
        " where messages.id in (select min(id) from messages where sent_at is null and given_up_at is null"
        f"  group by ifnull(watch_id, ''), target) and due_at <= ? and (watch_id is not null or target in ({known}))"
        " order by due_at, messages.id limit ?",
        [as_text(now or datetime.now(UTC)), *operator, _AT_ONCE],
    ).fetchall()
    return [(row, row["address"] if row["watch_id"] else operator[row["target"]]) for row in rows]


def _send(connection: sqlite3.Connection, batch: Sequence[tuple[sqlite3.Row, str]], now: datetime | None) -> int:
    sent = 0
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        trying = {pool.submit(deliver, address, row["title"], row["body"]): row for row, address in batch}
        for tried in as_completed(trying):
            row, moment = trying[tried], now or datetime.now(UTC)
            if tried.result():
                sent += 1
                connection.execute(
                    "update messages set sent_at = ?, tries = tries + 1 where id = ?", [as_text(moment), row["id"]]
                )
            else:
                _postpone(connection, row, moment)
    return sent


def _postpone(connection: sqlite3.Connection, row: sqlite3.Row, now: datetime) -> None:
    owner = f"watch {row['watch_id']}" if row["watch_id"] else "the operator"
    is_over = now - as_moment(row["made_at"]) > _GIVEN_UP
    wait = min(_WAIT * 2 ** min(row["tries"], 10), _LONGEST_WAIT)
    connection.execute(
        "update messages set tries = tries + 1, due_at = ?, given_up_at = ? where id = ?",
        [as_text(now + wait), as_text(now) if is_over else None, row["id"]],
    )
    if is_over:
        log.error("a message to %s was not taken for three days and is given up: %s", owner, row["title"])
    elif row["tries"] == 0:
        log.warning("a message to %s was not taken and is tried again: %s", owner, row["title"])


@dataclass(frozen=True)
class Counts:
    """How many there are, for metrics; `alerts` names the conditions that are on."""

    watches: int = 0
    watches_on: int = 0
    unsent: int = 0
    alerts: tuple[str, ...] = ()


def count_notices(paths: DataPaths) -> Counts:
    if not is_used(paths):
        return Counts()
    with open_store(paths) as connection:
        row = connection.execute(
            "select (select count(*) from watches),"
            " (select count(distinct watch_id) from events where ended_at is null),"
            " (select count(*) from messages where sent_at is null and given_up_at is null)"
        ).fetchone()
        on = connection.execute("select condition from alerts where ended_at is null").fetchall()
    return Counts(row[0], row[1], row[2], tuple(condition for (condition,) in on))


def forget_old(connection: sqlite3.Connection, now: datetime) -> None:
    """Delete messages and events that ended long ago."""
    until = as_text(now - timedelta(days=KEPT_DAYS))
    connection.execute("delete from messages where made_at < ?", [until])
    for table in ("events", "alerts"):
        connection.execute(f"delete from {table} where ended_at < ?", [until])

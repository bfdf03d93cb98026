"""The file of watches, alerts and messages. SQLite commits durably, and lets the service and a run write in turn."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime

from ingestion.durable import make_directory
from ingestion.paths import DataPaths

KEPT_DAYS = 100  # as long as the records of runs

_BUSY_SECONDS = 10.0

_TABLES = """
create table if not exists watches (
    id text primary key,
    made_at text not null,
    facts text not null, -- JSON, as answers show it
    address text not null, -- a secret: only sending reads it
    judged_snapshot text,
    judged_until text
);
create table if not exists events (
    id integer primary key,
    watch_id text not null references watches (id) on delete cascade,
    began_at text not null,
    began_value real not null,
    began_station text not null,
    ended_at text
);
create index if not exists events_of_watch on events (watch_id, ended_at);
create table if not exists alerts (
    id integer primary key,
    condition text not null,
    began_at text not null,
    ended_at text,
    text text not null,
    next_step text not null
);
create table if not exists messages (
    id integer primary key,
    watch_id text references watches (id) on delete cascade, -- null: to the operator
    target text not null default '', -- which of ALERT_URLS, by its digest
    event_id integer not null,
    kind text not null,
    title text not null,
    body text not null,
    made_at text not null,
    due_at text not null,
    tries integer not null default 0,
    sent_at text,
    given_up_at text
);
create unique index if not exists told_once on messages (ifnull(watch_id, ''), target, event_id, kind);
create index if not exists messages_to_send on messages (due_at) where sent_at is null and given_up_at is null;
"""


def is_used(paths: DataPaths) -> bool:
    """Whether there was ever a watch or an alert. Until then nothing is written."""
    return paths.notices.exists()


@contextmanager
def open_store(paths: DataPaths) -> Iterator[sqlite3.Connection]:
    """Open the file, made when absent. Each statement commits by itself; `transaction` makes several one."""
    make_directory(paths.notices.parent)
    if not paths.notices.exists():
        with suppress(FileExistsError):
            os.close(os.open(paths.notices, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(paths.notices, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("pragma synchronous = extra")  # the deletion of its journal survives a power cut too
        connection.execute("pragma foreign_keys = on")
        if not connection.execute("select true from sqlite_master where name = 'messages_to_send'").fetchone():
            connection.executescript(_TABLES)
        yield connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Write all or nothing. Another process that wants to write waits."""
    connection.execute("begin immediate")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def as_text(moment: datetime) -> str:
    """Write a moment in UTC, always with the same length: texts then sort as the moments do."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def as_moment(text: str) -> datetime:
    return datetime.fromisoformat(text)

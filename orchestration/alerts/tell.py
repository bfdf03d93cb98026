"""Tell the operator what began and what is over: kept in the data folder, so that a restart repeats nothing."""

import socket
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ingestion.paths import DataPaths
from orchestration.alerts.conditions import Verdict, kind_of
from orchestration.notices.outbox import Message, put, target_of
from orchestration.notices.store import as_moment, as_text, is_used, open_store, transaction


@dataclass(frozen=True)
class OpenAlert:
    """An alert that is on."""

    id: int
    condition: str
    began_at: datetime
    text: str
    next_step: str


@dataclass(frozen=True)
class Change:
    """An alert that began, or is over."""

    kind: str
    alert: OpenAlert


def open_alerts(paths: DataPaths) -> list[OpenAlert]:
    """Read what is on. Raises sqlite3.Error or OSError."""
    if not is_used(paths):
        return []
    with open_store(paths) as store:
        return _open(store)


def tell_operator(
    paths: DataPaths, verdict: Verdict, addresses: Sequence[str], now: datetime | None = None
) -> list[Change]:
    """Write what changed and the messages about it; each address is told once. `send_due` sends them."""
    if not verdict.alerts and not is_used(paths):
        return []
    now = now or datetime.now(UTC)
    with open_store(paths) as store, transaction(store):
        known = {alert.condition: alert for alert in _open(store)}
        wanted = {alert.condition: alert for alert in verdict.alerts}
        changes = []
        for condition, alert in wanted.items():
            if condition not in known:
                row = store.execute(
                    "insert into alerts (condition, began_at, text, next_step) values (?, ?, ?, ?) returning id",
                    [condition, as_text(now), alert.text, alert.next_step],
                ).fetchone()
                known[condition] = OpenAlert(row[0], condition, now, alert.text, alert.next_step)
                changes.append(Change("began", known[condition]))
        for condition, alert_on in known.items():
            if condition not in wanted and kind_of(condition) not in verdict.unknown:
                store.execute("update alerts set ended_at = ? where id = ?", [as_text(now), alert_on.id])
                changes.append(Change("over", alert_on))
                _put_all(store, alert_on, "over", addresses, now)
            else:
                # Written once for each address: one that was added to ALERT_URLS hears of what is on.
                _put_all(store, alert_on, "began", addresses, now)
    return changes


def _open(store: sqlite3.Connection) -> list[OpenAlert]:
    rows = store.execute("select * from alerts where ended_at is null order by id").fetchall()
    return [
        OpenAlert(row["id"], row["condition"], as_moment(row["began_at"]), row["text"], row["next_step"])
        for row in rows
    ]


def _put_all(store: sqlite3.Connection, alert: OpenAlert, kind: str, addresses: Sequence[str], now: datetime) -> None:
    title, body = write_alert(alert, kind, now)
    for address in addresses:
        put(store, Message(alert.id, kind, title, body, target=target_of(address)), now)


def write_alert(alert: OpenAlert, kind: str, now: datetime) -> tuple[str, str]:
    """Give title and text of a message to the operator."""
    name = kind_of(alert.condition).replace("_", " ")
    sender = f"Girouette on {socket.gethostname()}"
    if kind == "over":
        lasted = f"It lasted from {alert.began_at:%Y-%m-%d %H:%M} to {now:%Y-%m-%d %H:%M} UTC."
        return f"Over: {name}", f"This is over: {alert.text}.\n{lasted}\n{sender}"
    return f"Attention: {name}", f"{_sentence(alert.text)}\nNext: {alert.next_step}.\n{sender}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."

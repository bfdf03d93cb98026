"""Orders of single posts for hours that nothing else gave: which are asked for, and what became of each.

The ledger is one JSON file, replaced durably before and after each step. A file can be fetched once, so it goes to the
landing zone before it is read. A run killed anywhere loses no file that was written, and orders no hour twice: an order
whose answer is not known counts as asked for a day.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from ingestion.durable import make_directory, write_durably
from ingestion.paths import DataPaths
from ingestion.station_gaps import StationHour

Status = Literal["asking", "ordered", "fetched", "loaded", "failed", "refused"]

ORDERS_OF_A_RUN = 5
_TRIES = 3
_AGAIN = timedelta(days=1)
_PATIENCE = timedelta(days=3)
_KEPT = timedelta(days=30)


@dataclass(frozen=True)
class Order:
    """One order. Times are UTC, ISO 8601."""

    station_id: str
    hours: tuple[str, ...]  # that are missing; the order has those between them too
    asked_at: str
    status: Status = "asking"
    number: str | None = None  # upstream's
    tries: int = 1
    error: str | None = None

    def is_overdue(self, now: datetime) -> bool:
        """Whether its file will hardly come any more."""
        return now - datetime.fromisoformat(self.asked_at) > _PATIENCE

    @property
    def wanted(self) -> tuple[StationHour, ...]:
        return tuple((self.station_id, datetime.fromisoformat(hour)) for hour in self.hours)

    def answers_for(self, station: str, hour: datetime, now: datetime) -> bool:
        """Whether this order makes another for the hour needless, or too early."""
        if station != self.station_id or hour.isoformat() not in self.hours:
            return False
        if self.status in ("ordered", "fetched", "loaded") or self.tries >= _TRIES:
            return True
        return now - datetime.fromisoformat(self.asked_at) < _AGAIN


class OrderLedger:
    """Every order of the last 30 days."""

    def __init__(self, paths: DataPaths, source: str) -> None:
        self._file = paths.orders / f"{source}.json"
        self.orders: list[Order] = []
        if self._file.exists():
            told = json.loads(self._file.read_text(encoding="utf-8"))
            self.orders = [Order(**{**order, "hours": tuple(order["hours"])}) for order in told]

    def put(self, order: Order, **changes: object) -> Order:
        """Write an order down, or its next state, before anything else is done."""
        changed = replace(order, **changes)  # type: ignore[arg-type]
        oldest = (datetime.fromisoformat(changed.asked_at) - _KEPT).isoformat()
        others = [other for other in self.orders if other != order and other.asked_at > oldest]
        self.orders = [*others, changed]
        make_directory(self._file.parent)
        write_durably(self._file, json.dumps([asdict(each) for each in self.orders], indent=1).encode())
        return changed

    def waiting(self) -> list[Order]:
        """The orders whose file is to be fetched, the oldest first, few a run."""
        waiting = [order for order in self.orders if order.status in ("ordered", "fetched")]
        return sorted(waiting, key=lambda order: order.asked_at)[: 2 * ORDERS_OF_A_RUN]

    def plan(self, missing: set[StationHour], now: datetime) -> list[Order]:
        """Choose new orders: of the stations that miss the most hours, few a run."""
        day = (now - _AGAIN).astimezone(UTC).isoformat()
        if any(order.status == "refused" and order.asked_at > day for order in self.orders):
            return []  # the token is not subscribed
        by_station: dict[str, list[datetime]] = {}
        for station, hour in sorted(missing):
            if not any(order.answers_for(station, hour, now) for order in self.orders):
                by_station.setdefault(station, []).append(hour)
        most = sorted(by_station.items(), key=lambda item: (-len(item[1]), item[0]))[:ORDERS_OF_A_RUN]
        return [self._new(station, hours, now) for station, hours in most]

    def _new(self, station: str, hours: Sequence[datetime], now: datetime) -> Order:
        told = tuple(hour.isoformat() for hour in hours)
        before = [
            order.tries
            for order in self.orders
            if order.station_id == station and not set(told).isdisjoint(order.hours)
        ]
        return Order(station, told, now.astimezone(UTC).isoformat(), tries=1 + max(before, default=0))

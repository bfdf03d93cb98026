"""How old the newest observation is, in words and in a colour."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from api.page.reader import Reader
from api.warehouse.open.snapshot import OpenSnapshot

# An hour is served from about ten past, so up to 70 minutes are usual; two hours mean that one is missing.
AMBER_AFTER = timedelta(hours=2)
RED_AFTER = timedelta(hours=6)


@dataclass(frozen=True)
class Freshness:
    """The badge: its words, its level, and the time it is about."""

    level: str  # `green`, `amber`, `red`
    words: str
    newest: str
    amber_seconds: int = int(AMBER_AFTER.total_seconds())
    red_seconds: int = int(RED_AFTER.total_seconds())


def read_freshness(snapshot: OpenSnapshot, reader: Reader) -> Freshness | None:
    """Measure from now; None while nothing was ever observed."""
    newest = snapshot.manifest.newest_observation
    if newest is None:
        return None
    age = max(timedelta(0), datetime.now(UTC) - datetime.fromisoformat(newest))
    level = "red" if age >= RED_AFTER else "amber" if age >= AMBER_AFTER else "green"
    return Freshness(level, reader.ago(age), newest)

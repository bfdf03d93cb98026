"""Posts that Météo-France gave a new number. Both series are told of, and never joined into one."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Alias:
    """One post under two numbers, the new one since a day; their days do not overlap."""

    former_id: str
    station_id: str
    since: date


# The ones that are publicly known; about fifteen posts were renumbered on that day.
ALIASES = (
    Alias("05127001", "04033001", date(2026, 4, 16)),
    Alias("06090001", "83133003", date(2026, 4, 16)),
    Alias("75044001", "94046003", date(2026, 4, 16)),
)


def newest_id(station_id: str) -> str:
    """The number that a post has now."""
    return next((alias.station_id for alias in ALIASES if alias.former_id == station_id), station_id)

"""The tables that keep growing: how to select a month's rows, sort them, and when the month is settled."""

from dataclasses import dataclass
from datetime import date, timedelta

from ingestion.sources import RAW_TABLES


@dataclass(frozen=True)
class GrowingTable:
    """One table whose oldest months may leave the build file."""

    key: tuple[str, ...]  # tells its rows apart; a closed file is sorted by it
    time: str  # the column that says which month a row is of
    time_type: str
    settled_after: timedelta  # from the end of a month
    condition: str = "true"  # of the rows that may leave

    def within(self, month: date) -> str:
        """The rows of a month that may leave, as a condition; the connection is in UTC."""
        # Literals: DuckDB then skips the row groups outside.
        following = (month + timedelta(days=31)).replace(day=1)
        first, last = (f"{self.time_type} '{day}'" for day in (month, following))
        return f"{self.time} >= {first} and {self.time} < {last} and {self.condition}"


# Rows came up to 35 hours late, and upstream serves no older hour. Later data still reopens the month.
_HOURS_SETTLED = timedelta(days=10)
# A batch's findings are compared with those of the 30 days before (weather_dbt/tests).
_DAYS_SETTLED = timedelta(days=45)

GROWING = {
    **{
        table.name: GrowingTable((*table.key, "version"), "observed_at", "timestamptz", _HOURS_SETTLED)
        for table in RAW_TABLES.values()
        if table.observed_at
    },
    "marts.hourly_observations": GrowingTable(
        ("station_id", "observed_at"), "observed_at", "timestamptz", _HOURS_SETTLED
    ),
    # A provisional day stays until a build makes it final.
    "marts.daily_observations": GrowingTable(
        ("station_id", "observed_date"), "observed_date", "date", _DAYS_SETTLED, "is_final"
    ),
}

"""What a payload becomes once it is read."""

from dataclasses import dataclass

import pyarrow as pa

from ingestion.meteofrance.schema import ApiVersion

_SHOWN_TEXT = 2_000


@dataclass(frozen=True)
class MalformedRow:
    """A row left out of the table: its place among the rows (from 1), why, and the text as received."""

    position: int
    reason: str
    text: str


def malformed_row(position: int, reason: str, text: str) -> MalformedRow:
    """Make one with a text that any store can hold: bounded, and without NUL."""
    return MalformedRow(position, reason, text[:_SHOWN_TEXT].replace("\0", "␀"))


@dataclass(frozen=True)
class TextRows:
    """Rows of either format: string columns under upstream's names and in its order, empty is NULL."""

    table: pa.Table
    malformed: tuple[MalformedRow, ...]

    @property
    def seen(self) -> int:
        """Rows in the payload, good and malformed."""
        return int(self.table.num_rows) + len(self.malformed)


@dataclass(frozen=True)
class ObservationPacket:
    """Hourly observations.

    `rows` has string columns only: OBSERVATION_COLUMNS in order (NULL where the payload has none), then
    `extra`, a JSON object of the unknown columns' values or NULL. `present_columns` are those of
    OBSERVATION_COLUMNS that the payload had. An empty JSON packet names no column and counts as v2.
    """

    rows: pa.Table
    api_version: ApiVersion
    present_columns: tuple[str, ...]
    extra_columns: tuple[str, ...]
    malformed: tuple[MalformedRow, ...]
    rows_seen: int


@dataclass(frozen=True)
class StationPacket:
    """The list of stations: `rows` has exactly STATION_COLUMNS, all strings, ids trimmed."""

    rows: pa.Table
    present_columns: tuple[str, ...]
    extra_columns: tuple[str, ...]
    malformed: tuple[MalformedRow, ...]
    rows_seen: int

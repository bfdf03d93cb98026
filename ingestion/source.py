"""The seam for sources: what a source declares about its requests, payloads and raw tables.

CONTRIBUTING.md, "A source", is the recipe. `ingestion/sources.py` lists the sources.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, Protocol

import pyarrow as pa

if TYPE_CHECKING:
    from ingestion.departments import Department
    from ingestion.settings import IngestionSettings

PayloadFormat = Literal["csv", "json"]

EXTRA = "extra"  # column for the unknown columns of a row, as the text of one JSON object

_SHOWN_TEXT = 2_000


@dataclass(frozen=True)
class MalformedRow:
    """A row left out of the table: its place among the rows (from 1), why, and the text as received."""

    position: int
    reason: str
    text: str


def malformed_row(position: int, reason: str, text: str) -> MalformedRow:
    """Bound the text and replace NUL, which not every store can hold."""
    return MalformedRow(position, reason, text[:_SHOWN_TEXT].replace("\0", "␀"))


@dataclass(frozen=True)
class Packet:
    """A parsed payload.

    `rows` has the raw table's columns in its order, all strings, NULL where the payload has none.
    `present_columns` are those the payload really had: the others keep the values known so far.
    """

    rows: pa.Table
    present_columns: tuple[str, ...]
    rows_seen: int
    malformed: tuple[MalformedRow, ...] = ()
    extra_columns: tuple[str, ...] = ()
    api_version: str | None = None
    note: str = ""  # what to tell about how the payload was read


@dataclass(frozen=True)
class Quantity:
    """Columns that share a unit, and the range of their possible values. Values outside tell of another unit."""

    name: str  # in the plural: "temperatures"
    columns: tuple[str, ...]
    lowest: float
    highest: float
    hint: str  # what the values may be instead


@dataclass(frozen=True)
class RawTable:
    """A table of `raw` that keeps every version of its rows, under upstream's column names."""

    name: str  # schema.table
    columns: tuple[str, ...]
    key: tuple[str, ...]
    compared: tuple[str, ...]  # a difference in one of these makes a new version
    reject_reason: str  # SQL: why a row cannot be keyed, or null
    last_of_duplicates: str = "position desc"  # SQL order: the first of several rows with one key counts
    observed_at: str | None = None  # SQL: the hour of a row, as timestamptz; None for a table without hours
    # Column: of two rows with one key, the one with the later time here is true, in any order of loading.
    true_by: str | None = None
    alternatives: tuple[tuple[str, ...], ...] = ()  # groups of columns of which a payload has one
    quantities: tuple[Quantity, ...] = ()
    is_whole_list: bool = False  # each payload lists everything: a key that it does not name has left


@dataclass(frozen=True)
class Dataset:
    """One kind of payload, the table it fills and how it is read."""

    name: str  # part of the payload's file name: lower-case letters, digits and hyphens
    table: RawTable
    parse: Callable[[bytes, PayloadFormat], Packet]
    is_by_department: bool = False  # its scope is a département's code
    is_of_scope: Callable[[str], str] | None = None  # SQL for a scope: whether a row is what was asked for


@dataclass(frozen=True)
class PacketRequest:
    """One request of a source."""

    dataset: str
    scope: str
    label: str
    hour: datetime | None = None
    is_reference: bool = False  # a list beside the observations; a run that brings nothing else has failed
    departments: tuple["Department", ...] = ()  # whose rows are kept of an answer that has others too; empty: all
    hours: tuple[datetime, ...] = ()  # the same
    stations: tuple[str, ...] = ()  # the same

    def __str__(self) -> str:
        return self.label


@dataclass(frozen=True, kw_only=True, repr=False)
class Payload:
    """One answer as received."""

    body: bytes
    format: PayloadFormat
    fetched_at: datetime


class Client(Protocol):
    """Fetches the packets of one run, several at once."""

    async def fetch(self, request: PacketRequest) -> Payload:
        """Fetch one packet; raises IngestionError."""
        ...


@dataclass(frozen=True)
class FineRepair:
    """How hours are rebuilt from packets of finer time, where a station's hours are missing."""

    of_station: Callable[[str, Sequence[datetime]], PacketRequest]  # some hours of one station
    of_hour: Callable[[datetime, Sequence["Department"], Sequence[str]], PacketRequest]  # some stations of one hour
    requests_of_hour: int  # that the second takes; the first takes one
    dataset: str
    reach: timedelta  # how far back it answers
    table: str
    origin: str  # what the rows of the table say


@dataclass(frozen=True)
class Repair:
    """How hours that were missed are asked for, one by one."""

    request: Callable[[datetime, Sequence["Department"]], PacketRequest]
    hours_planned: int  # that each run asks for anyway, where it asks by hour
    packets: str  # the dataset whose packets bring several hours of a département
    packet_hours: int  # how many they bring at least
    table: str
    station_id: str  # its column
    finer: FineRepair | None = None


class OrderClient(Protocol):
    """Orders hours of single stations, and fetches what was ordered."""

    async def order(self, station_id: str, first: datetime, last: datetime) -> str:
        """Return the order's number; raises IngestionError."""
        ...

    async def fetch(self, number: str) -> Payload | None:
        """Fetch an order's file, which is given out once; None while it is being made. Raises IngestionError."""
        ...


@dataclass(frozen=True)
class Orders:
    """How hours of single stations are ordered that nothing else gave."""

    open_client: Callable[["IngestionSettings"], AbstractAsyncContextManager[OrderClient]]
    dataset: str  # of an order's file
    is_for: str  # SQL for a station's column {0}: whether its hours can be ordered
    origin: str  # what its rows say


@dataclass(frozen=True)
class Source:
    """Everything the rest of the system knows about one upstream."""

    name: str
    title: str  # how people read it
    attribution: str  # what its licence wants named beside each answer
    datasets: tuple[Dataset, ...]
    plan: Callable[[Sequence["Department"], datetime], list[PacketRequest]]
    open_client: Callable[["IngestionSettings"], AbstractAsyncContextManager[Client]]
    dataset_of_file: Callable[[bytes], str]  # which dataset a captured file is, by its first bytes; raises NotAPacket
    # What a person should hear before each run, e.g. that the data is not real; None when there is nothing to say.
    notice: Callable[["IngestionSettings"], str | None] | None = None
    repair: Repair | None = None  # None: hours that were missed cannot be asked for
    orders: Orders | None = None  # beside `repair`

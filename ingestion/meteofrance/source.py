"""Météo-France's live packets, declared for the seam."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from ingestion.departments import Department, all_departments, label_of
from ingestion.errors import NotAPacket, TokenMissing
from ingestion.meteofrance.auth import say_if_ending
from ingestion.meteofrance.client import MeteoFranceClient
from ingestion.meteofrance.order_client import OrderClient
from ingestion.meteofrance.order_file import ORDER, ORDER_FILES, parse_order
from ingestion.meteofrance.parser import parse_observations, parse_stations
from ingestion.meteofrance.recognise import recognise
from ingestion.meteofrance.schema import (
    GUST_COLUMNS,
    INSTANTS,
    KEY_COLUMNS,
    LISTED_STATION_ID,
    OBSERVATION_COLUMNS,
    OTHER_READINGS,
    PRESSURES,
    STATION_COLUMNS,
    STATION_ID,
    TECHNICAL_COLUMNS,
    TEMPERATURES,
    VALIDITY_TIME,
)
from ingestion.meteofrance.six_minutes import (
    ORIGIN,
    SIX_MINUTE_PACKETS,
    SIX_MINUTES,
    parse_six_minutes,
)
from ingestion.settings import IngestionSettings
from ingestion.source import EXTRA, Dataset, FineRepair, Orders, PacketRequest, Quantity, RawTable, Repair, Source

# Rows were seen to arrive up to 35 hours late.
HOURS_READ_AGAIN = 36

_HOUR = "%Y%m%dT%HZ"  # the scope of an hour's packet
_TIME = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})"

OBSERVATIONS = RawTable(
    name="raw.observations",
    columns=(*OBSERVATION_COLUMNS, EXTRA),
    key=(STATION_ID, "observed_at"),
    # Two endpoints give different technical stamps for identical values: a new stamp is no revision.
    compared=tuple(
        column for column in (*OBSERVATION_COLUMNS, EXTRA) if column not in (*TECHNICAL_COLUMNS, *KEY_COLUMNS)
    ),
    reject_reason=f"""case
        when not coalesce(regexp_full_match({STATION_ID}, '[0-9]{{8}}'), false)
            then '{STATION_ID} is not eight digits'
        when not coalesce(regexp_full_match({VALIDITY_TIME}, '{_TIME}'), false) or observed_at is null
            then '{VALIDITY_TIME} is not a time with Z or an offset'
        when observed_at <> date_trunc('hour', observed_at)
            then '{VALIDITY_TIME} is not a round hour'
        when observed_at < timestamptz '1990-01-01 00:00:00Z'
            then '{VALIDITY_TIME} is before 1990, when no such station reported'
    end""",
    last_of_duplicates=(
        "try_cast(reference_time as timestamptz) desc nulls last, insert_time desc nulls last, position desc"
    ),
    observed_at=f"try_cast({VALIDITY_TIME} as timestamptz)",
    true_by="reference_time",
    alternatives=tuple(GUST_COLUMNS.values()),
    quantities=(
        Quantity("temperatures", TEMPERATURES, 150, 350, "degrees Celsius in place of kelvin?"),
        Quantity("pressures", PRESSURES, 30_000, 120_000, "hectopascal in place of pascal?"),
        Quantity("other readings", OTHER_READINGS, -1e300, 1e300, "what are they?"),
    ),
)

# Hours that no hourly row gave. Apart from those: whatever the order of arrival, staging takes a value of the hourly
# row first, and an empty one erases nothing.
REBUILT = replace(
    OBSERVATIONS,
    name="raw.rebuilt_observations",
    columns=(*OBSERVATION_COLUMNS, ORIGIN),
    key=(*OBSERVATIONS.key, ORIGIN),
    compared=tuple(name for name in OBSERVATIONS.compared if name != EXTRA),
)

STATIONS = RawTable(
    name="raw.stations",
    columns=STATION_COLUMNS,
    key=(LISTED_STATION_ID,),
    compared=STATION_COLUMNS[1:],
    is_whole_list=True,
    reject_reason=f"""case
        when not coalesce(regexp_full_match("{LISTED_STATION_ID}", '[0-9]{{8}}'), false)
            then '{LISTED_STATION_ID} is not eight digits'
    end""",
)

DATASETS = (
    Dataset(
        "paquet-horaire",
        OBSERVATIONS,
        parse_observations,
        is_by_department=True,
        is_of_scope=lambda code: f"starts_with({STATION_ID}, '{code.zfill(2)}')",
    ),
    Dataset(
        "paquet-stations-horaire",
        OBSERVATIONS,
        parse_observations,
        is_of_scope=lambda hour: f"strftime(observed_at, '{_HOUR}') = '{hour}'",
    ),
    Dataset(
        SIX_MINUTE_PACKETS,
        REBUILT,
        parse_six_minutes,
        is_of_scope=lambda scope: (
            f"{STATION_ID} = '{scope}'" if scope.isdecimal() else f"strftime(observed_at, '{_HOUR}') = '{scope}'"
        ),
    ),
    Dataset(ORDER_FILES, REBUILT, parse_order),  # its scope is the order's number
    Dataset("liste-stations", STATIONS, parse_stations),
)

STATION_LIST = PacketRequest("liste-stations", "all", "station list", is_reference=True)


def plan_requests(departments: Sequence[Department], now: datetime) -> list[PacketRequest]:
    """Choose the requests that bring the départements' recent hours.

    All of France is asked hour by hour: 36 requests a run. One for each département would take more than
    two minutes under the quota of 50 a minute.
    """
    if len(departments) < len(all_departments()):
        return [PacketRequest("paquet-horaire", d.code, f"{d.name} ({d.code})") for d in departments]
    newest = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    hours = [newest - timedelta(hours=back) for back in reversed(range(HOURS_READ_AGAIN))]
    return [_ask_hour(hour, "France") for hour in hours]


def repair_request(hour: datetime, departments: Sequence[Department]) -> PacketRequest:
    """Ask for one hour that was missed. Only all of France can be asked by hour: other départements' rows are left."""
    request = _ask_hour(hour, label_of(departments))
    is_france = len(departments) == len(all_departments())
    return request if is_france else replace(request, departments=tuple(departments))


def rebuild_of_station(station_id: str, hours: Sequence[datetime]) -> PacketRequest:
    """Ask for the six-minute rows of some of a station's last 24 hours."""
    label = f"six minutes of {station_id}"
    return PacketRequest(SIX_MINUTE_PACKETS, station_id, label, hours=tuple(hours))


def rebuild_of_hour(hour: datetime, departments: Sequence[Department], stations: Sequence[str]) -> PacketRequest:
    """Ask for one hour's six-minute rows, one request for each of its ten times, and keep those of some stations."""
    request = repair_request(hour, departments)
    return replace(
        request,
        stations=tuple(stations),
        dataset=SIX_MINUTE_PACKETS,
        label=f"six minutes, {request.label}",
    )


def _ask_hour(hour: datetime, place: str) -> PacketRequest:
    hour = hour.astimezone(UTC)
    return PacketRequest("paquet-stations-horaire", f"{hour:{_HOUR}}", f"{place} {hour:%Y-%m-%d %H} UTC", hour)


def plan_run(departments: Sequence[Department], now: datetime) -> list[PacketRequest]:
    """Plan the station list and the départements' recent hours."""
    return [STATION_LIST, *plan_requests(departments, now)]


def dataset_of_file(start: bytes) -> str:
    """Tell which dataset reads a file, by its first bytes; raises NotAPacket for every other kind of file."""
    kind = recognise(start)
    if kind.dataset is None:
        raise NotAPacket(kind.name, kind.advice)
    return kind.dataset


def open_client(settings: IngestionSettings) -> MeteoFranceClient:
    """Make the client; raises TokenMissing."""
    if settings.meteofrance_token is None and settings.meteofrance_application_id is None:
        raise TokenMissing
    return MeteoFranceClient(settings)


def open_order_client(settings: IngestionSettings) -> OrderClient:
    """Make the client of DPClim; raises TokenMissing."""
    return OrderClient(settings)


METEOFRANCE = Source(
    name="meteofrance",
    title="Météo-France",
    attribution="Source : Météo-France, Licence Ouverte / Etalab 2.0",
    datasets=DATASETS,
    plan=plan_run,
    open_client=open_client,
    notice=say_if_ending,
    dataset_of_file=dataset_of_file,
    repair=Repair(
        request=repair_request,
        hours_planned=HOURS_READ_AGAIN,
        packets="paquet-horaire",
        packet_hours=24,  # as documented; five days were seen
        table=OBSERVATIONS.name,
        station_id=STATION_ID,
        finer=FineRepair(
            of_station=rebuild_of_station,
            of_hour=rebuild_of_hour,
            requests_of_hour=INSTANTS,
            dataset=SIX_MINUTE_PACKETS,
            reach=timedelta(hours=24),
            table=REBUILT.name,
            origin=SIX_MINUTES,
        ),
    ),
    orders=Orders(
        open_client=open_order_client,
        dataset=ORDER_FILES,
        # Overseas the file does not say in which local time its hours are, and an offset is never guessed.
        is_for="left({0}, 2) not in ('97', '98', '99')",
        origin=ORDER,
    ),
)

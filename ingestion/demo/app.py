"""An application that speaks Météo-France's DPPaquetObs v2 API and invents the weather."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import duckdb
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ingestion.demo.access import Gateway
from ingestion.demo.corruption import ROW_FAULTS, corrupt
from ingestion.demo.errors import ApiError, bad_date, bad_parameters, bad_station, no_such_resource
from ingestion.demo.faults import Fault, FaultKind, FaultPlan, refusal
from ingestion.demo.orders import order_answer, order_file_text, order_number, read_order
from ingestion.demo.packet import MEDIA_TYPES, PacketFormat, PacketRequest, render_packet
from ingestion.demo.stations import DEPARTMENTS, STATIONS_FILE
from ingestion.demo.transport import NETWORK_FAULTS
from ingestion.demo.weather import load_stations

SIX_MINUTES_KEPT = timedelta(hours=24)


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def create_demo_app(
    *,
    clock: Callable[[], datetime] = utc_now,
    token: str | None = None,
    faults: Sequence[Fault] = (),
    retention_hours: int = 120,
    packet_hours: int | None = None,
    requests_per_minute: int | None = None,
    order_waits: int = 0,
) -> Starlette:
    """Make the application; `clock` decides what has already arrived, `token=None` lets everyone in.

    A département's packet reaches back `packet_hours`, or as far as hours are kept. An order's file is not ready the
    first `order_waits` times.

    Whatever precedes `/v2` in a path is ignored. Network faults are not the application's to commit:
    give them to `FaultTransport`.
    """
    for fault in faults:
        if fault.kind in NETWORK_FAULTS:
            raise ValueError(f"{fault.kind} happens in the network: wrap the transport in FaultTransport")
    service = DemoService(
        clock=clock,
        gateway=Gateway(token, requests_per_minute),
        faults=FaultPlan(faults, packet_kinds=ROW_FAULTS),
        retention=timedelta(hours=retention_hours),
        reach=timedelta(hours=retention_hours if packet_hours is None else packet_hours),
        order_waits=order_waits,
    )
    return Starlette(
        routes=[
            Route("/{before:path}v2/liste-stations", service.list_stations),
            Route("/{before:path}v2/paquet/horaire", service.department_packet),
            Route("/{before:path}v2/paquet/stations/horaire", service.national_packet),
            Route("/{before:path}v2/paquet/infrahoraire-6m", service.station_six_minutes),
            Route("/{before:path}v2/paquet/stations/infrahoraire-6m", service.national_six_minutes),
            Route("/{before:path}DPClim/v1/commande-station/horaire", service.order_hours),
            Route("/{before:path}DPClim/v1/commande/fichier", service.order_file),
            Route("/{anything:path}", service.refuse_path),
        ],
        exception_handlers={ApiError: _answer_refusal, HTTPException: _answer_no_such_resource},
    )


class DemoService:
    """The seven resources, over one in-memory database that holds nothing but the stations."""

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        gateway: Gateway,
        faults: FaultPlan,
        retention: timedelta,
        reach: timedelta,
        order_waits: int = 0,
    ) -> None:
        self._clock = clock
        self._gateway = gateway
        self._faults = faults
        self._retention, self._reach = retention, reach
        self._order_waits, self._order_polls = order_waits, 0
        self._given_out: set[str] = set()
        self._con = duckdb.connect()
        load_stations(self._con)

    async def list_stations(self, request: Request) -> Response:
        """Every station of the network, as CSV whatever the format asked for."""
        fault = self._admit(request)
        return _packet_response(STATIONS_FILE.read_text(encoding="ascii"), "csv", fault)

    async def department_packet(self, request: Request) -> Response:
        """The recent hours of every station of one département."""
        fault = self._admit(request)
        department = request.query_params.get("id-departement", "")
        if department not in DEPARTMENTS:
            raise bad_parameters(f"id-departement inconnu : {department!r}")
        now = self._clock()
        return await self._answer(request, PacketRequest(now - self._reach, now, now, department), fault)

    async def national_packet(self, request: Request) -> Response:
        """One hour of every station of France; no row for a future hour or one past the retention."""
        fault = self._admit(request)
        now, hour = self._clock(), _round_hour(request.query_params.get("date", ""))
        is_kept = now - self._retention <= hour <= now
        end = hour + timedelta(hours=1) if is_kept else hour
        return await self._answer(request, PacketRequest(hour, end, now), fault)

    async def station_six_minutes(self, request: Request) -> Response:
        """The six-minute rows of a station's last 24 hours; no row for a station that is not known."""
        fault = self._admit(request)
        station = request.query_params.get("id_station", "")
        if len(station) != 8 or not station.isdecimal():
            raise bad_station(f"id_station inconnu : {station!r}")
        now = self._clock()
        start = now - SIX_MINUTES_KEPT
        packet = PacketRequest(start, now + timedelta(hours=1), now, station=station, is_six_minutes=True)
        return await self._answer(request, packet, fault)

    async def national_six_minutes(self, request: Request) -> Response:
        """One time of the six-minute grid of every station of France; no row for one to come or long past."""
        fault = self._admit(request)
        now, instant = self._clock(), _instant(request.query_params.get("date", ""))
        hour = (instant + timedelta(minutes=59)).replace(minute=0)
        is_kept = now - SIX_MINUTES_KEPT <= instant <= now
        end = hour + timedelta(hours=1) if is_kept else hour
        packet = PacketRequest(hour, end, now, is_six_minutes=True, instant=instant)
        return await self._answer(request, packet, fault)

    async def order_hours(self, request: Request) -> Response:
        """Take an order of a station's hours: its number says all that is needed to make the file."""
        self._admit(request, "v1")
        station = request.query_params.get("id-station", "")
        if len(station) != 8 or not station.isdecimal():
            raise bad_station(f"id-station inconnu : {station!r}")
        first, last = (_round_hour(request.query_params.get(f"date-{name}-periode", "")) for name in ("deb", "fin"))
        if not timedelta(0) <= last - first <= timedelta(days=366):
            raise bad_date("la période dépasse un an")
        return JSONResponse(order_answer(order_number(station, first, last)), HTTPStatus.ACCEPTED)

    async def order_file(self, request: Request) -> Response:
        """The file of an order, once; 204 while it is being made."""
        self._admit(request, "v1")
        number, now = request.query_params.get("id-cmde", ""), self._clock()
        asked = read_order(number)
        if asked is None:
            raise no_such_resource()
        if number in self._given_out:
            return Response(status_code=HTTPStatus.GONE)
        if self._order_polls < self._order_waits:
            self._order_polls += 1
            return Response(status_code=HTTPStatus.NO_CONTENT)
        self._given_out.add(number)
        with self._con.cursor() as cursor:
            text = order_file_text(cursor, asked, now)
        return Response(text, HTTPStatus.CREATED, media_type="text/csv")

    async def refuse_path(self, request: Request) -> Response:
        """Everything else: another version, or no resource at all."""
        self._admit(request)
        raise no_such_resource()

    def _admit(self, request: Request, version: str = "v2") -> Fault | None:
        """Commit the error status or the fault that is due; return the one the body is to suffer."""
        fault = self._faults.take(request.url.path, request.query_params)
        if fault and (error := refusal(fault)):
            raise error
        self._gateway.admit(request, self._clock(), version)
        return fault

    async def _answer(self, request: Request, packet: PacketRequest, fault: Fault | None) -> Response:
        packet_format = _packet_format(request.query_params.get("format", "json"))

        def render() -> str:
            with self._con.cursor() as cursor:
                return render_packet(cursor, packet, packet_format)

        # A national hour takes tens of milliseconds, which other requests should not wait for.
        return _packet_response(await run_in_threadpool(render), packet_format, fault)


def _packet_format(text: str) -> PacketFormat:
    match text:
        case "csv" | "json" | "geojson":
            return text
        case _:
            raise bad_parameters(f"format inconnu : {text!r}")


def _round_hour(text: str) -> datetime:
    try:
        hour = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise bad_date(f"date illisible : {text!r}") from None
    if hour.minute or hour.second:
        raise bad_date(f"une heure ronde est attendue : {text!r}")
    return hour


def _instant(text: str) -> datetime:
    try:
        instant = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise bad_date(f"date illisible : {text!r}") from None
    if instant.minute % 6 or instant.second:
        raise bad_date(f"un multiple de six minutes est attendu : {text!r}")
    return instant


def _packet_response(text: str, packet_format: PacketFormat, fault: Fault | None) -> Response:
    if fault is None:
        return Response(text, media_type=MEDIA_TYPES[packet_format])
    headers = {"Content-Encoding": "gzip"} if fault.kind == FaultKind.CUT_GZIP else {}
    media_type = "text/html" if fault.kind == FaultKind.HTML_PAGE else MEDIA_TYPES[packet_format]
    return Response(corrupt(text, packet_format, fault), headers=headers, media_type=media_type)


async def _answer_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101 - Starlette types every handler's error as Exception
    answer = error.as_response(request.headers.get("accept", ""))
    if answer.status_code == HTTPStatus.FOUND:
        answer.headers["Location"] = str(request.url)
    return answer


async def _answer_no_such_resource(request: Request, _: Exception) -> Response:
    return no_such_resource().as_response(request.headers.get("accept", ""))

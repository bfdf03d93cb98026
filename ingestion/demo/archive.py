"""The demo's open archive: listing, change log and files of hours, and of official days counted from these hours.

Deterministic in the day. `previous` ends the year before last, `latest` ends yesterday: on 1 January a year moves from
one to the other, and the labels change. The newest days are wrong here and there, and corrected some days later.
"""

import gzip
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ingestion.demo.archive_hours import FIRST_YEAR as FIRST_HOURS
from ingestion.demo.archive_hours import hours_file
from ingestion.demo.stations import DEPARTMENTS
from ingestion.demo.weather import load_stations, weather_query

FIRST_YEAR = 1991
_FILES = "http://demo.invalid/archive/data/synchro_ftp/BASE"
_WRITTEN_AT = timedelta(hours=7, minutes=30)  # UTC, each day
_VALIDATED_AFTER, _CORRECTED_AFTER = 10, 3  # days
_LOG_DAYS = 30

# Météo-France's days (weather_dbt/macros/days.sql) where FU is UTC: rain and maximum from 06 to 06, minimum from 18
# to 18, all else from 00 to 24, each of the hours that end then.
_DAYS = """
with rain as (
    select
        geo_id_insee, cast(validity_time - interval 7 hours as date) as day,
        sum(greatest(rr1, 0)) as rr, max(tx) - 273.15 as tx
    from hours
    group by all
),
cold as (
    select geo_id_insee, cast(validity_time + interval 5 hours as date) as day, min(tn) - 273.15 as tn
    from hours
    group by all
),
civil as (
    select
        geo_id_insee, cast(validity_time - interval 1 hour as date) as day, avg(t) - 273.15 as tm, avg(ff) as ffm
    from hours
    group by all
)
select geo_id_insee, day, rr, tn, tx, tm, ffm
from rain
join cold using (geo_id_insee, day)
join civil using (geo_id_insee, day)
where year(day) = $year and day <= $newest
"""
_OTHER_DAYS = """
select
    geo_id_insee, cast(validity_time - interval 1 hour as date) as day,
    case when count(insolh) = 24 then sum(insolh) end as inst,
    case when count(ray_glo01) = 24 then round(sum(ray_glo01) / 10000) end as glot,
    avg(pmer) / 100 as pmerm, min(un) as un, max(ux) as ux, round(avg(u)) as um,
    max(sss) filter (hour(validity_time) = 6) * 100 as neigetot06, max(sss) * 100 as neigetotx
from hours
group by geo_id_insee, day
having year(day) = $year and day <= $newest
"""
_FILE = """
copy (
    select
        days.geo_id_insee as NUM_POSTE, nom_usuel as NOM_USUEL, printf('%.6f', latitude) as LAT,
        printf('%.6f', longitude) as LON, altitude::integer as ALTI, strftime(day, '%Y%m%d') as AAAAMMJJ,
        {values}
    from days join demo.stations as stations on days.geo_id_insee = stations.id_station
    where day >= date_ouverture
    order by NUM_POSTE, AAAAMMJJ
) to '{file}' (format csv, delimiter ';', header true)
"""


def utc_now() -> datetime:
    return datetime.now(UTC)


def create_demo_archive(
    clock: Callable[[], datetime] = utc_now, first_year: int = FIRST_YEAR, frozen_on: date | None = None
) -> Starlette:
    """Make the application: the listing of data.gouv.fr, the change log, and the files that they name.

    With `frozen_on`, nothing is written after that day; everything is answered all the same.
    """
    made: dict[str, bytes] = {}  # the file that was asked for last, for requests of its rest

    def written_on() -> date:
        today = (clock() - _WRITTEN_AT).date()
        return min(today, frozen_on or today)

    async def listing(request: Request) -> Response:
        wanted = request.query_params.get("q", "").removeprefix("departement_")
        files = [
            _entry(kind, code, period, written_on())
            for kind in _KINDS
            if kind.listing == request.path_params["dataset"]
            for code in _codes()
            if wanted in ("", code)
            for period in kind.periods(written_on().year, first_year)
        ]
        page, size = (
            int(request.query_params.get(name, default)) for name, default in (("page", 1), ("page_size", 20))
        )
        more = f"{request.url.include_query_params(page=page + 1)}" if page * size < len(files) else None
        return JSONResponse({"data": files[size * (page - 1) : size * page], "next_page": more, "total": len(files)})

    async def change_log(_: Request) -> Response:
        told: dict[str, object] = {"latest_update": f"{written_on()}T07:30:00+00:00"}
        for back in range(_LOG_DAYS):
            day = written_on() - timedelta(days=back)
            told[day.isoformat()] = [
                {"folder": f"BASE/{kind.folder}", "name": kind.name(code, period)}
                for kind in _KINDS
                for period in kind.periods(day.year, first_year)
                if period.startswith("latest") or (day.month, day.day) == (1, 1)
                for code in _codes()
            ]
        return JSONResponse(told)

    async def file(request: Request) -> Response:
        name, day = request.path_params["name"], written_on()
        code = name.split("_")[1]
        found = [
            (kind, years)
            for kind in _KINDS
            for period, years in kind.periods(day.year, first_year).items()
            if name == kind.name(code, period) and kind.folder == request.path_params["folder"]
        ]
        if not found or code not in _codes():
            return Response(status_code=404)
        ((kind, years),) = found
        etag = f'"{name} {day}"' if "latest" in name else f'"{name}"'
        headers = {"ETag": etag, "Last-Modified": f"{_modified(name, day):%a, %d %b %Y %H:%M:%S GMT}"}
        if request.method == "HEAD":
            return Response(headers=headers)
        if etag not in made:
            body = await run_in_threadpool(kind.write, code.lstrip("0"), years, day)
            made.clear()
            made[etag] = gzip.compress(body, 6, mtime=0)
        return _rest_of(made[etag], request, headers)

    return Starlette(
        routes=[
            Route("/api/2/datasets/{dataset}/resources/", listing),
            Route("/archive/data/updated_files.json", change_log),
            Route("/archive/data/synchro_ftp/BASE/{folder:str}/{name}", file),
        ]
    )


def _rest_of(body: bytes, request: Request, headers: dict[str, str]) -> Response:
    """Answer a request of a range's rest, where it is of this version; else with the whole body."""
    wanted = request.headers.get("range", "")
    if not wanted or request.headers.get("if-range", headers["ETag"]) != headers["ETag"]:
        return Response(body, headers=headers)
    start = int(wanted.removeprefix("bytes=").partition("-")[0])
    if start >= len(body):
        return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{len(body)}"})
    told = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
    return Response(body[start:], status_code=206, headers=headers | told)


def days_file(department: str, years: range, written_on: date) -> bytes:
    """Write one file of official days up to the day before; days of the last weeks are not validated yet."""
    values = {name: f"printf('%.1f', {name})" for name in ("RR", "TN", "TX", "TM", "FFM")}
    values["TNTXM"] = "printf('%.1f', (tn + tx) / 2)"
    # The newest days are wrong here and there, and corrected some days later.
    correct = f"""
        update days set tx = tx - 0.4
        where day >= date '{written_on}' - {_CORRECTED_AFTER} and (geo_id_insee::integer + day(day)) % 7 = 0
    """
    return _write(department, years, written_on, _DAYS, values, correct)


def other_days_file(department: str, years: range, written_on: date) -> bytes:
    """Write one file of the other quantities of the same days. They have no evapotranspiration."""
    values = {name: f"{name}::integer" for name in ("INST", "GLOT", "UN", "UX", "UM", "NEIGETOT06", "NEIGETOTX")}
    values["PMERM"] = "printf('%.1f', pmerm)"
    return _write(department, years, written_on, _OTHER_DAYS, values)


def _write(
    department: str, years: range, written_on: date, days_of_hours: str, values: dict[str, str], correct: str = ""
) -> bytes:
    """Write days up to the day before as CSV; `values` are the columns after the station's, as text."""
    code = f"case when day >= date '{written_on}' - {_VALIDATED_AFTER} then 9 else 1 end"
    coded = ", ".join(
        f"{text} as {name}, case when ({text}) is not null then {code} end as Q{name}" for name, text in values.items()
    )
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(config={"temp_directory": folder}) as connection:
        connection.execute("set TimeZone = 'UTC'")
        load_stations(connection)
        beginning = datetime(years.start, 1, 1, tzinfo=UTC)
        connection.execute(f"create temp table hours as {weather_query(beginning, beginning, department=department)}")
        newest = written_on - timedelta(days=1)
        connection.execute(f"create table days as {days_of_hours}", {"year": years.start, "newest": newest})
        for year in years:  # a year at a time: all hours at once would take a gigabyte
            start, end = datetime(year - 1, 12, 31, tzinfo=UTC), datetime(year + 1, 1, 2, tzinfo=UTC)
            hours = weather_query(start, end, department=department)
            connection.execute(f"create or replace temp table hours as {hours}")
            connection.execute(f"insert into days {days_of_hours}", {"year": year, "newest": newest})
        connection.execute(correct)
        target = Path(folder) / "days.csv"
        connection.execute(_FILE.format(values=coded, file=target))
        return target.read_bytes()


@dataclass(frozen=True)
class _Kind:
    """One data set: its folder, how its files are named, and what writes one."""

    listing: str  # its id on data.gouv.fr
    folder: str
    form: str
    label: int  # first year in the name of `previous`
    first_year: int  # with rows
    write: Callable[[str, range, date], bytes]

    def name(self, code: str, period: str) -> str:
        return self.form.format(code=code, period=period)

    def periods(self, this_year: int, first_year: int) -> dict[str, range]:
        first = max(first_year, self.first_year)
        return {
            f"previous-{self.label}-{this_year - 2}": range(first, this_year - 1),
            f"latest-{this_year - 1}-{this_year}": range(this_year - 1, this_year + 1),
        }


_QUOT, _HOR = "6569b51ae64326786e4e8e1a", "6569b4473bedf2e7abad3b72"
_KINDS = (
    _Kind(_QUOT, "QUOT", "Q_{code}_{period}_RR-T-Vent.csv.gz", 1950, FIRST_YEAR, days_file),
    _Kind(_QUOT, "QUOT", "Q_{code}_{period}_autres-parametres.csv.gz", 1950, FIRST_YEAR, other_days_file),
    _Kind(_HOR, "HOR", "H_{code}_{period}.csv.gz", 2020, FIRST_HOURS, hours_file),
)


def _codes() -> list[str]:
    """Départements with files. Overseas days are cut in local time, which this archive does not know."""
    return [code.zfill(2) for code in DEPARTMENTS if len(code) < 3]


def _modified(name: str, written_on: date) -> datetime:
    """When a file was written last: `latest` each day, `previous` at the turn of the year."""
    day = written_on if "latest" in name else date(written_on.year, 1, 1)
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + _WRITTEN_AT


def _entry(kind: _Kind, code: str, period: str, written_on: date) -> dict[str, object]:
    name = kind.name(code, period)
    return {
        # It stays when the label changes.
        "id": f"demo-{kind.folder}-{kind.form.split('_')[-1].partition('.')[0]}-{code}-{period.partition('-')[0]}",
        "title": name.partition(".")[0],
        "type": "main",
        "format": "csv.gz",
        "url": f"{_FILES}/{kind.folder}/{name}",
        "filesize": None,
        "checksum": None,
        "last_modified": _modified(name, written_on).isoformat(),
    }

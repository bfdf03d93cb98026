"""The demo's open archive: a listing and files of official days, counted from the demo's own hours.

Deterministic in the year: `previous` ends the year before last, `latest` holds last year.
"""

import gzip
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ingestion.demo.stations import DEPARTMENTS
from ingestion.demo.weather import load_stations, weather_query

FIRST_YEAR = 1991
_ADDRESS = "http://demo.invalid/archive"

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
where year(day) = $year
"""
_FILE = """
copy (
    select
        days.id_station as NUM_POSTE, nom_usuel as NOM_USUEL, printf('%.6f', latitude) as LAT,
        printf('%.6f', longitude) as LON, altitude::integer as ALTI, strftime(day, '%Y%m%d') as AAAAMMJJ,
        {values}
    from days join demo.stations as stations on days.id_station = stations.id_station
    where day >= date_ouverture
    order by NUM_POSTE, AAAAMMJJ
) to '{file}' (format csv, delimiter ';', header true)
"""


def utc_now() -> datetime:
    return datetime.now(UTC)


def create_demo_archive(clock: Callable[[], datetime] = utc_now, first_year: int = FIRST_YEAR) -> Starlette:
    """Make the application: the listing of data.gouv.fr and the files that it names."""

    async def listing(request: Request) -> Response:
        code = request.query_params.get("q", "").removeprefix("departement_")
        # Overseas days are cut in local time, which this archive does not know.
        known = code.lstrip("0") in DEPARTMENTS and len(code) == 2
        data = [_entry(code, period, clock().year) for period in _periods(clock().year, first_year)] if known else []
        return JSONResponse({"data": data, "next_page": None, "total": len(data)})

    async def file(request: Request) -> Response:
        name = request.path_params["name"]
        code = name.split("_")[1]
        years = next(
            (years for period, years in _periods(clock().year, first_year).items() if name == _name(code, period)), None
        )
        if years is None or code.lstrip("0") not in DEPARTMENTS:
            return Response(status_code=404)
        body = await run_in_threadpool(days_file, code.lstrip("0"), years, 9 if "latest" in name else 1)
        return Response(gzip.compress(body, 6, mtime=0), headers={"ETag": f'"{name}"'})

    return Starlette(routes=[Route("/api/2/{before:path}resources/", listing), Route("/archive/{name}", file)])


def days_file(department: str, years: range, code: int) -> bytes:
    """Write one file of official days; every value has the quality code given."""
    values = (
        ", ".join(
            f"printf('%.1f', {name}) as {name}, case when {name} is not null then {code} end as Q{name}"
            for name in ("RR", "TN", "TX", "TM", "FFM")
        )
        + f", printf('%.1f', (tn + tx) / 2) as TNTXM, case when tn + tx is not null then {code} end as QTNTXM"
    )
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(config={"temp_directory": folder}) as connection:
        connection.execute("set TimeZone = 'UTC'")
        load_stations(connection)
        connection.execute(
            "create table days (id_station varchar, day date, rr double, tn double, tx double, tm double, ffm double)"
        )
        for year in years:  # a year at a time: all hours at once would take a gigabyte
            start, end = datetime(year - 1, 12, 31, tzinfo=UTC), datetime(year + 1, 1, 2, tzinfo=UTC)
            hours = weather_query(start, end, department=department)
            connection.execute(f"create or replace temp table hours as {hours}")
            connection.execute(f"insert into days {_DAYS}", {"year": year})
        target = Path(folder) / "days.csv"
        connection.execute(_FILE.format(values=values, file=target))
        return target.read_bytes()


def _periods(this_year: int, first_year: int) -> dict[str, range]:
    return {
        f"previous-1950-{this_year - 2}": range(first_year, this_year - 1),
        f"latest-{this_year - 1}-{this_year}": range(this_year - 1, this_year),
    }


def _name(code: str, period: str) -> str:
    return f"Q_{code}_{period}_RR-T-Vent.csv.gz"


def _entry(code: str, period: str, year: int) -> dict[str, object]:
    return {
        "id": f"demo-{code}-{period.partition('-')[0]}",
        "title": f"QUOT_departement_{code}_periode_{period}_RR-T-Vent",
        "type": "main",
        "format": "csv.gz",
        "url": f"{_ADDRESS}/{_name(code, period)}",
        "filesize": None,
        "checksum": None,
        "last_modified": f"{year}-01-02T06:00:00+00:00",
    }

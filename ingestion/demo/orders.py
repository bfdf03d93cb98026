"""Orders of a station's hours (DPClim). An order's number says what was ordered, so none has to be remembered."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import duckdb

from ingestion.demo.weather import weather_query

_START = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)
# Météo-France's column and what it is of the demo's weather.
_COLUMNS = {
    "RR1": "greatest(rr1, 0)",
    "T": "round(t - 273.15, 1)",
    "TD": "round(td - 273.15, 1)",
    "TN": "round(tn - 273.15, 1)",
    "TX": "round(tx - 273.15, 1)",
    "PSTAT": "round(pres / 100, 1)",
    "PMER": "round(pmer / 100, 1)",
    "FF": "ff",
    "DD": "dd",
    "FXY": "fxy",
    "DXY": "dxy",
    "FXI3S": "raf",
    "DXI3S": "ddraf",
    "U": "u",
    "UN": "un",
    "UX": "ux",
    "NEIGETOT": "round(sss * 100)",
    "N": "n",
    "INS": "insolh",
    "GLO": "round(ray_glo01 / 10000, 1)",
    "VV": "vv",
}


class Ordered(NamedTuple):
    """What was ordered: all hours from the first to the last."""

    station: str
    first: datetime
    last: datetime


def order_number(station: str, first: datetime, last: datetime) -> str:
    """Write an order as a number."""
    return f"{station}{(first - _START) // _HOUR:06}{(last - first) // _HOUR:04}"


def read_order(number: str) -> Ordered | None:
    """Read what was ordered; None for a number that no order has."""
    if len(number) != 18 or not number.isdecimal():
        return None
    first = _START + int(number[8:14]) * _HOUR
    return Ordered(number[:8], first, first + int(number[14:]) * _HOUR)


def order_answer(number: str) -> dict[str, object]:
    """What upstream answers to an order."""
    return {"elaboreProduitAvecDemandeResponse": {"return": number}}


def order_file_text(con: duckdb.DuckDBPyConnection, ordered: Ordered, now: datetime) -> str:
    """Write an order's file as upstream does: decimal commas, lines that end with CR and LF."""
    cells = ", ".join(f"replace(coalesce(({value})::varchar, ''), '.', ',')" for value in _COLUMNS.values())
    weather = weather_query(ordered.first, min(ordered.last, now) + _HOUR, station_ids=[ordered.station])
    rows = con.execute(
        f"select concat_ws(';', geo_id_insee, strftime(validity_time, '%Y%m%d%H'), {cells})"
        f" from ({weather}) order by validity_time"
    ).fetchall()
    lines = (";".join(["POSTE", "DATE", *_COLUMNS]), *(line for (line,) in rows))
    return "".join(f"{line}\r\n" for line in lines)

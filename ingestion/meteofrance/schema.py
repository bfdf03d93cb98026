"""Columns of Météo-France's packets, as upstream names and orders them. Facts only."""

from datetime import datetime, timedelta
from typing import Literal

ApiVersion = Literal["v1", "v2"]

STATION_ID = "geo_id_insee"
VALIDITY_TIME = "validity_time"
KEY_COLUMNS = (STATION_ID, VALIDITY_TIME)

# Stamps of Météo-France's own machinery: they differ between endpoints for identical values.
TECHNICAL_COLUMNS = ("reference_time", "insert_time")

# v1 gives the hour's highest instantaneous wind, v2 a 3-second gust: two quantities, never merged.
GUST_COLUMNS: dict[ApiVersion, tuple[str, str]] = {"v1": ("dxi", "fxi"), "v2": ("ddraf", "raf")}

_POSITION = ("lat", "lon")
_BEFORE_GUST = ("t", "td", "tx", "tn", "u", "ux", "un", "dd", "ff", "dxy", "fxy")
_AFTER_GUST = (
    *("rr1", "t_10", "t_20", "t_50", "t_100", "vv", "etat_sol", "sss", "n"),
    *("insolh", "ray_glo01", "pres", "pmer"),
)
_HEAD = (*_POSITION, STATION_ID, *TECHNICAL_COLUMNS, VALIDITY_TIME)

V1_COLUMNS = (*_HEAD, *_BEFORE_GUST, *GUST_COLUMNS["v1"], *_AFTER_GUST)
V2_COLUMNS = (*_HEAD, *_BEFORE_GUST, *GUST_COLUMNS["v2"], *_AFTER_GUST)

# What was measured: the columns in which a difference is a correction by Météo-France.
VALUE_COLUMNS = (*_BEFORE_GUST, *GUST_COLUMNS["v2"], *GUST_COLUMNS["v1"], *_AFTER_GUST)

TEMPERATURES = ("t", "td", "tx", "tn", "t_10", "t_20", "t_50", "t_100")  # kelvin
PRESSURES = ("pres", "pmer")  # pascal
OTHER_READINGS = tuple(name for name in VALUE_COLUMNS if name not in (*TEMPERATURES, *PRESSURES))

# The columns of a parsed packet of either version, `extra` apart.
OBSERVATION_COLUMNS = (*_HEAD, *VALUE_COLUMNS)

# A packet without one of these stops the load (and so does one without either gust pair): the key, and what
# the first page of any weather service shows. Most stations measure nothing else, so a renamed one of these
# would empty the marts without an error; any other column that goes missing is NULL and logged.
ESSENTIAL_COLUMNS = (*KEY_COLUMNS, "t", "tx", "tn", "u", "dd", "ff", "rr1", "pmer")

INSTANTS = 10  # six-minute rows of an hour: at 06, 12 … 54 minutes and at the hour itself


def instants_of(hour: datetime) -> list[datetime]:
    """The times of the six-minute rows that make up an hour."""
    return [hour - timedelta(minutes=6 * back) for back in reversed(range(INSTANTS))]


LISTED_STATION_ID = "Id_station"
STATION_COLUMNS = (
    *(LISTED_STATION_ID, "Id_omm", "Nom_usuel", "Latitude", "Longitude", "Altitude"),
    *("Date_ouverture", "Pack"),
)
ESSENTIAL_STATION_COLUMNS = (LISTED_STATION_ID, "Nom_usuel", "Latitude", "Longitude", "Altitude")

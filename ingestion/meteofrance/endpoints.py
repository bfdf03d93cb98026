"""Paths and parameters of DPPaquetObs, below the base address. Facts only."""

from typing import Literal

Format = Literal["csv", "json"]

VERSION = "v2"

STATIONS = "/liste-stations"  # CSV whatever is asked
DEPARTMENT_HOURS = "/paquet/horaire"  # the recent hours of one département
FRANCE_HOUR = "/paquet/stations/horaire"  # one hour of every station
STATION_SIX_MINUTES = "/paquet/infrahoraire-6m"  # 24 hours of one station
FRANCE_SIX_MINUTES = "/paquet/stations/infrahoraire-6m"  # one time of every station

DEPARTMENT_PARAMETER = "id-departement"  # without a leading zero: `09` answers 400
HOUR_PARAMETER = "date"
STATION_PARAMETER = "id_station"
FORMAT_PARAMETER = "format"

HOUR_TEXT = "%Y-%m-%dT%H:00:00Z"  # a round hour, UTC
INSTANT_TEXT = "%Y-%m-%dT%H:%M:00Z"  # on the six-minute grid, UTC

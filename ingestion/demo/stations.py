"""The demo's stations: Ariège's fourteen real ones, invented ones everywhere else.

`stations.csv` was written once by a throw-away script and is edited by hand since. Outside Ariège it takes
towns at their approximate coordinates and altitudes, and spreads neighbours around them in compass
sectors (`LYON EST`) until each département has about as many stations as in real life. Their station
numbers (posts from 901) and WMO numbers (98xxx) are invented too.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

STATIONS_FILE = Path(__file__).with_name("stations.csv")


@dataclass(frozen=True)
class Station:
    """One line of `/liste-stations`."""

    station_id: str
    wmo_id: str | None
    name: str
    latitude: float
    longitude: float
    altitude: int
    opened_on: date
    pack: str

    @property
    def department(self) -> str:
        """The code a request takes: no leading zero, three digits overseas."""
        is_overseas = self.station_id.startswith(("97", "98"))
        return self.station_id[:3] if is_overseas else self.station_id[:2].lstrip("0")


def _read_station(line: str) -> Station:
    station_id, wmo_id, name, latitude, longitude, altitude, opened_on, pack = line.split(";")
    return Station(
        station_id=station_id,
        wmo_id=wmo_id or None,
        name=name,
        latitude=float(latitude),
        longitude=float(longitude),
        altitude=int(altitude),
        opened_on=date.fromisoformat(opened_on),
        pack=pack,
    )


DEMO_STATIONS = tuple(_read_station(line) for line in STATIONS_FILE.read_text(encoding="ascii").splitlines()[1:])
DEPARTMENTS = frozenset(station.department for station in DEMO_STATIONS)

"""Places: near a point, inside a box, how far and how much higher.

Distances are great-circle, on a sphere of 6,371.0088 km. Where the point's altitude is known, 100 m of height count as
10 km: temperature changes by 0.65 °C over 100 m, and about as much over that distance in flat land.
"""

from dataclasses import dataclass

from api.warehouse.problems import BadValue
from api.warehouse.question.filters import Condition

_EARTH_KM = 6371.0088  # mean radius, IUGG
DISTANCE = (
    f"round(2 * {_EARTH_KM} * asin(sqrt(least(1, pow(sin(radians(latitude - ?) / 2), 2)"
    " + cos(radians(?)) * cos(radians(latitude)) * pow(sin(radians(longitude - ?) / 2), 2)))), 3)"
)
KM_PER_METRE = 0.1
# Metres that a station lies above the point, and the distance with the height counted in: each binds the altitude once.
HIGHER = "round(altitude_m - cast(? as double))"
FARNESS = f"({DISTANCE} + {KM_PER_METRE} * coalesce(abs(altitude_m - cast(? as double)), 0))"


@dataclass(frozen=True)
class Point:
    """Degrees north and east, and metres above the sea where they are known."""

    latitude: float
    longitude: float
    altitude_m: float | None = None

    @property
    def params(self) -> tuple[float, float, float]:
        """What DISTANCE binds."""
        return self.latitude, self.latitude, self.longitude

    @property
    def height_params(self) -> tuple[float | None, ...]:
        """What FARNESS binds."""
        return *self.params, self.altitude_m


def within(point: Point, max_km: float, max_height_m: float | None) -> list[Condition]:
    """Not farther than this, nor more above or below; stations of unknown altitude stay in."""
    conditions = [Condition(f"{DISTANCE} <= ?", (*point.params, max_km))]
    if max_height_m is not None and point.altitude_m is not None:
        conditions.append(Condition("coalesce(abs(altitude_m - ?) <= ?, true)", (point.altitude_m, max_height_m)))
    return conditions


def read_point(text: str) -> Point:
    """Read `latitude,longitude`."""
    latitude, longitude = _numbers("near", text, 2, "latitude,longitude in degrees, such as 42.97,1.61")
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise BadValue("near", f"“{text[:60]}” is no place on Earth", "give latitude,longitude in degrees")
    return Point(latitude, longitude)


def inside_box(text: str) -> Condition:
    """Read `west,south,east,north`; a box over the 180th meridian has west greater than east."""
    west, south, east, north = _numbers("bbox", text, 4, "west,south,east,north in degrees, such as 0.8,42.5,2.2,43.3")
    if south > north:
        raise BadValue("bbox", "its south is north of its north", "give west,south,east,north")
    joined = "and" if west <= east else "or"
    return Condition(
        f"latitude between ? and ? and (longitude >= ? {joined} longitude <= ?)", (south, north, west, east)
    )


def _numbers(field: str, text: str, count: int, example: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(abs(number) <= 360 for number in numbers):
        raise BadValue(field, f"“{text[:60]}” cannot be read", f"give {example}")
    return numbers

"""What the map can show: which column, and the bands it is coloured by, which are the warehouse's own scales."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from api.page.reader import Reader
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot


@dataclass(frozen=True)
class Measure:
    """One quantity of the map and the table."""

    key: str
    label: str  # a message
    unit: str
    column: str  # of marts.latest_observations, in the unit of its scale
    scale: str
    lower: str  # the scale's column that holds each band's lower bound
    factor: float = 1.0  # from the scale's unit to the unit shown
    decimals: int = 1
    from_zero: bool = True  # whether the small curve begins at zero
    least_span: float = 5.0  # what fills a curve's height at least, so that a calm day looks calm

    curve: str = ""  # of marts.hourly_observations, for the small curve; else the same column

    @property
    def curve_column(self) -> str:
        """The column of marts.hourly_observations that the small curve shows."""
        return self.curve or self.column


@dataclass(frozen=True)
class Band:
    """One colour of the legend: from `lower`, in the unit shown, up to the next."""

    lower: float
    name: str


MEASURES = (
    Measure("temperature", "Temperature", "°C", "temperature_c", "temperature_bands", "lower_c", from_zero=False),
    Measure("rain", "Rain in 1 h", "mm", "precipitation_mm", "precipitation_bands", "lower_mm"),
    Measure("wind", "Mean wind", "km/h", "wind_speed_ms", "beaufort_scale", "lower_ms", factor=3.6, decimals=0),
    Measure("snow", "Snow on the ground", "cm", "snow_depth_cm", "snow_bands", "lower_cm", decimals=0),
)

# The temperature against the normal of the day; offered where the snapshot shows the open archive.
AGAINST_NORMAL = Measure(
    "normal", "Against normal", "°C", "departure_c", "", "", from_zero=False, curve="temperature_c"
)

# Its bands, about the normal; no scale of the warehouse has them. The names are messages.
DEPARTURE_BANDS = (
    Band(-9999, "far colder than normal"), Band(-6, "much colder"), Band(-3, "colder"), Band(-1, "near normal"),
    Band(1, "warmer"), Band(3, "much warmer"), Band(6, "far warmer than normal"),
)  # fmt: skip


def read_bands(snapshot: OpenSnapshot, executor: Executor, measure: Measure, reader: Reader) -> list[Band]:
    """Read a measure's scale, lowest first, its names in the reader's language."""
    if measure is AGAINST_NORMAL:
        return [Band(band.lower, reader.gettext(band.name)) for band in DEPARTURE_BANDS]
    language = reader.language
    name = "name_fr" if language == "fr" else "name_en"
    rows = executor.fetch_dicts(
        snapshot, f"select {measure.lower} as lower, {name} as name from scales.{measure.scale} order by lower"
    )
    return [Band(row["lower"] * measure.factor, row["name"]) for row in rows]


def band_of(value: float | None, bands: Sequence[Band]) -> int | None:
    """Which band a value is in."""
    if value is None:
        return None
    return max(0, bisect_right([band.lower for band in bands], value) - 1)

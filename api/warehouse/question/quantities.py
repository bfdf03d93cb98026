"""What a period can be asked of: each quantity as SQL over the hours, and how it adds up."""

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import process

from api.warehouse.open.catalog import Relation
from api.warehouse.problems import BadValue


@dataclass(frozen=True)
class Quantity:
    """`value` is the hour's reading; `low` and `high` are its extremes. Thresholds are those of days without others."""

    name: str
    value: str
    low: str | None = None
    high: str | None = None
    is_sum: bool = False
    has_mean: bool = True
    over: float | None = None
    under: float | None = None
    needs: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return self.needs or (self.value,)


_HUMIDITY = "coalesce(humidity_pct, humidity_derived_pct)"
# Stull (2011), within 0.65 °C from 5 % of humidity and -20 to 50 °C; air that is full of water is as cold as its bulb.
_WET_BULB = f"""
    case when temperature_c between -20 and 50 and {_HUMIDITY} >= 5 then round(least(temperature_c,
        temperature_c * atan(0.151977 * sqrt({_HUMIDITY} + 8.313659)) + atan(temperature_c + {_HUMIDITY})
        - atan({_HUMIDITY} - 1.676331) + 0.00391838 * pow({_HUMIDITY}, 1.5) * atan(0.023101 * {_HUMIDITY})
        - 4.686035), 1) end"""

_ALL = (
    Quantity("precipitation_mm", "precipitation_mm", is_sum=True, over=1),
    Quantity(
        "temperature_c", "temperature_c", "least(temperature_c, temperature_min_c)",
        "greatest(temperature_c, temperature_max_c)", under=0,
        needs=("temperature_c", "temperature_min_c", "temperature_max_c"),
    ),
    Quantity(
        "wind_speed_ms", "wind_speed_ms", high="greatest(wind_speed_ms, max_mean_wind_ms)",
        needs=("wind_speed_ms", "max_mean_wind_ms"),
    ),
    Quantity("gust_ms", "gust_ms", has_mean=False, needs=("gust_ms", "gust_kind")),
    Quantity("sunshine_min", "sunshine_min", is_sum=True),
    Quantity("radiation_j_m2", "radiation_j_m2", is_sum=True),
    Quantity(
        "humidity_pct", "humidity_pct", "least(humidity_pct, humidity_min_pct)",
        "greatest(humidity_pct, humidity_max_pct)", needs=("humidity_pct", "humidity_min_pct", "humidity_max_pct"),
    ),
    Quantity("dew_point_c", "dew_point_c"),
    Quantity("wet_bulb_c", _WET_BULB, needs=("temperature_c", "humidity_pct", "humidity_derived_pct")),
    # Under 20 °C humidex is not defined: the air feels no hotter than it is.
    Quantity(
        "humidex_c",
        f"coalesce(humidex_c, case when temperature_c < 20 and {_HUMIDITY} is not null then temperature_c end)",
        needs=("humidex_c", "temperature_c", "humidity_pct", "humidity_derived_pct"),
    ),
    Quantity("snow_depth_cm", "snow_depth_cm", over=1),
    Quantity("pressure_hpa", "pressure_hpa"),
    Quantity("sea_level_pressure_hpa", "sea_level_pressure_hpa"),
    Quantity("visibility_m", "visibility_m"),
    Quantity("soil_temperature_10cm_c", "soil_temperature_10cm_c", under=0),
)  # fmt: skip
QUANTITIES = {quantity.name: quantity for quantity in _ALL}
USUAL = ("precipitation_mm", "temperature_c", "wind_speed_ms", "gust_ms", "sunshine_min")


def read_quantities(fields: str | None, relation: Relation) -> Sequence[Quantity]:
    """Quantities named in a comma-separated list, or the usual ones."""
    names = list(dict.fromkeys(name.strip() for name in (fields or ",".join(USUAL)).split(",") if name.strip()))
    for name in names:
        if name not in QUANTITIES:
            close = [hit[0] for hit in process.extract(name, list(QUANTITIES), limit=1, score_cutoff=60)]
            hint = f"did you mean {close[0]}? " if close else ""
            raise BadValue("fields", f"“{name[:60]}” is no quantity", f"{hint}choose from {', '.join(QUANTITIES)}")
    if not names:
        raise BadValue("fields", "no quantity is named", f"choose from {', '.join(QUANTITIES)}, or leave it out")
    # A snapshot of another version may lack a column.
    return [
        QUANTITIES[name] for name in names if all(column in relation.by_name for column in QUANTITIES[name].columns)
    ]

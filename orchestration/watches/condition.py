"""What a watch waits for: a column of the hourly mart, an operator and a number, or stations that fall silent."""

import re
from dataclasses import dataclass
from difflib import get_close_matches

from ingestion.errors import printable
from orchestration.errors import BadCondition

SILENT = "silent"

# The measured and derived columns of marts.hourly_observations. No other text of a caller gets into SQL.
COLUMNS = frozenset(
    (
        *("temperature_c", "temperature_max_c", "temperature_min_c", "dew_point_c", "wind_chill_c", "humidex_c"),
        *("humidity_pct", "humidity_max_pct", "humidity_min_pct", "vapour_pressure_deficit_kpa"),
        *("wind_speed_ms", "wind_speed_kmh", "beaufort", "max_mean_wind_ms", "gust_ms"),
        *("precipitation_mm", "snow_depth_cm", "snow_depth_max_24h_cm", "snow_depth_change_24h_cm"),
        *("visibility_m", "cloud_cover_octas", "sunshine_min", "radiation_j_m2", "mean_radiation_w_m2"),
        *("pressure_hpa", "sea_level_pressure_hpa", "pressure_tendency_3h_hpa"),
        *(f"soil_temperature_{depth}cm_c" for depth in (10, 20, 50, 100)),
        *(
            f"{window}_{hours}h_{unit}"
            for hours in (3, 6, 12, 24)
            for window, unit in (
                ("precipitation", "mm"),
                ("temperature_mean", "c"),
                ("temperature_min", "c"),
                ("temperature_max", "c"),
                ("gust_max", "ms"),
            )
        ),
    )
)

_NUMBER = r"[+-]?\d{1,12}(?:\.\d{1,6})?"
_MEASURED = re.compile(rf"([a-z][a-z0-9_]*) ?(<=|>=|<|>) ?({_NUMBER})(?: for (\d{{1,2}}) ?h)?", re.ASCII)
_SILENCE = re.compile(r"silent (\d{1,3}) ?h", re.ASCII)
_MOST_HOURS = 24


@dataclass(frozen=True)
class Condition:
    """`column operator threshold`, for `hours` hours in a row. Silence is hours without an observation."""

    column: str
    operator: str
    threshold: float
    hours: int = 1

    @property
    def is_below(self) -> bool:
        return self.operator in ("<", "<=")

    def is_met(self, value: float, hysteresis: float = 0.0) -> bool:
        """Whether a value meets it. Once it is met, `hysteresis` says how much farther the value must go back."""
        threshold = self.threshold + (hysteresis if self.is_below else -hysteresis)
        if self.operator == "<":
            return value < threshold
        if self.operator == "<=":
            return value <= threshold
        return value > threshold if self.operator == ">" else value >= threshold

    def __str__(self) -> str:
        if self.column == SILENT:
            return f"silent {self.threshold:g} h"
        lasting = f" for {self.hours} h" if self.hours > 1 else ""
        return f"{self.column} {self.operator} {self.threshold:.6f}".rstrip("0").rstrip(".") + lasting


def read_condition(text: str) -> Condition:
    """Read a condition as a person writes it. Raises BadCondition."""
    line = " ".join(text.split())
    if silence := _SILENCE.fullmatch(line):
        if not 1 <= int(silence[1]) <= 240:
            raise BadCondition("silence is counted from 1 to 240 hours")
        return Condition(SILENT, ">=", float(silence[1]))
    found = _MEASURED.fullmatch(line)
    if found is None:
        raise BadCondition(f"“{printable(line, 80)}” is not a condition")
    column, operator, number, hours = found.groups()
    if column not in COLUMNS:
        near = get_close_matches(column, COLUMNS, 1)
        raise BadCondition(f"no column `{printable(column, 60)}`" + (f", did you mean `{near[0]}`?" if near else ""))
    if hours is not None and not 1 <= int(hours) <= _MOST_HOURS:
        raise BadCondition(f"a condition can be asked to hold for 1 to {_MOST_HOURS} hours")
    return Condition(column, operator, float(number), int(hours or 1))

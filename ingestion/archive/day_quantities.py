"""The quantities of official days. Upstream puts them into two files of each département and period."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ingestion.archive.ledger import Dataset

_TEMPERATURES, _RAIN, _WINDS, _PERCENT, _FLAG = (-90, 60), (-0.11, 2_000), (0, 150), (0, 100), (0, 1)


@dataclass(frozen=True)
class DayQuantities:
    """What one kind of file holds. Each quantity has a quality code in a column named Q and its name.

    0 is protected, 1 validated, 2 doubtful, 9 passed the first filters.
    """

    names: tuple[str, ...]  # upstream's
    fields: Mapping[str, str]  # the marts' name of each quantity that people ask for, to upstream's
    bounds: Mapping[str, tuple[float, float]]  # a file with a value outside is in another unit
    factors: Mapping[str, float] = field(default_factory=dict)  # from upstream's unit to the marts'


DAYS = DayQuantities(
    names=(
        *("RR", "TN", "HTN", "TX", "HTX", "TM", "TNTXM", "TAMPLI", "TNSOL", "TN50", "DG", "FFM", "FF2M"),
        *("FXY", "DXY", "HXY", "FXI", "DXI", "HXI", "FXI2", "DXI2", "HXI2", "FXI3S", "DXI3S", "HXI3S", "DRR"),
    ),
    fields={
        "precipitation_mm": "RR",
        "temperature_min_c": "TN",
        "temperature_max_c": "TX",
        "temperature_mean_c": "TM",
        "temperature_midrange_c": "TNTXM",
        "wind_mean_ms": "FFM",
        "max_mean_wind_ms": "FXY",
        "gust_instantaneous_ms": "FXI",
        "gust_3s_ms": "FXI3S",
    },
    bounds={
        **dict.fromkeys(("TN", "TX", "TM", "TNTXM", "TNSOL", "TN50"), _TEMPERATURES),
        "RR": _RAIN,
        **dict.fromkeys(("FFM", "FF2M", "FXY", "FXI", "FXI2", "FXI3S"), _WINDS),
    },
)

OTHER_DAYS = DayQuantities(
    names=(
        *("DHUMEC", "PMERM", "PMERMIN", "INST", "GLOT", "DIFT", "DIRT", "INFRART", "UV", "UV_INDICEX", "SIGMA"),
        *("UN", "HUN", "UX", "HUX", "UM", "DHUMI40", "DHUMI80", "TSVM", "ETPMON", "ETPGRILLE", "ECOULEMENTM"),
        *("HNEIGEF", "NEIGETOTX", "NEIGETOT06", "NEIG", "BROU", "ORAG", "GRESIL", "GRELE", "ROSEE", "VERGLAS"),
        *("SOLNEIGE", "GELEE", "FUMEE", "BRUME", "ECLAIR", "NB300", "BA300", "TMERMIN", "TMERMAX"),
    ),
    fields={
        "sunshine_min": "INST",
        "radiation_j_m2": "GLOT",
        "sea_level_pressure_mean_hpa": "PMERM",
        "humidity_mean_pct": "UM",
        "humidity_min_pct": "UN",
        "humidity_max_pct": "UX",
        "vapour_pressure_mean_hpa": "TSVM",
        "et0_mm": "ETPMON",
        "et0_grid_mm": "ETPGRILLE",
        "new_snow_cm": "HNEIGEF",
        "snow_depth_06_cm": "NEIGETOT06",
        "snow_depth_max_cm": "NEIGETOTX",
        "snow_days": "NEIG",
        "snow_cover_days": "SOLNEIGE",
        "fog_days": "BROU",
        "thunderstorm_days": "ORAG",
        "hail_days": "GRELE",
        "black_ice_days": "VERGLAS",
        "hoar_frost_days": "GELEE",
    },
    bounds={
        "INST": (0, 1_440),
        "GLOT": (0, 5_000),
        "PMERM": (850, 1_090),
        **dict.fromkeys(("UN", "UX", "UM"), _PERCENT),
        "TSVM": (0, 80),
        **dict.fromkeys(("ETPMON", "ETPGRILLE"), (-5, 30)),
        **dict.fromkeys(("HNEIGEF", "NEIGETOTX", "NEIGETOT06"), (0, 2_000)),
        **dict.fromkeys(("NEIG", "SOLNEIGE", "BROU", "ORAG", "GRELE", "VERGLAS", "GELEE"), _FLAG),
    },
    factors={"radiation_j_m2": 10_000},  # J/cm²
)

DAY_FILES: dict[Dataset, DayQuantities] = {"days": DAYS, "other_days": OTHER_DAYS}
FIELDS, OTHER_FIELDS = DAYS.fields, OTHER_DAYS.fields

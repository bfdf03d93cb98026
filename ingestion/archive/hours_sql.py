"""Files of hours as one relation, each hour once, and their values under the names and units of the marts."""

from collections.abc import Callable, Sequence
from itertools import groupby

from ingestion.archive.hours_columns import READ
from ingestion.archive.ledger import ArchiveFile, winners_over
from ingestion.raw_store import literal


def _bearing(direction: str, speed: str) -> str:
    """Upstream writes 0 for calm and 360 for north: calm wind has no direction."""
    return f"case when {{0}}{direction} > 0 and coalesce({{0}}{speed}, 1) > 0 then {{0}}{direction}::double end"


def _rounded(name: str, factor: int = 1) -> str:
    return f"round({{0}}{name}::double{f' * {factor}' if factor != 1 else ''}, 2)"


# The marts' field, upstream's quantity that fills it, and how, with {0} before each column.
# The archive's codes of the state of the ground are another table than those of real time, so they are not here.
FIELDS: dict[str, tuple[str, str]] = {
    "temperature_c": ("T", _rounded("T")),
    "temperature_max_c": ("TX", _rounded("TX")),
    "temperature_min_c": ("TN", _rounded("TN")),
    "dew_point_c": ("TD", _rounded("TD")),
    "humidity_pct": ("U", _rounded("U")),
    "humidity_max_pct": ("UX", _rounded("UX")),
    "humidity_min_pct": ("UN", _rounded("UN")),
    "wind_direction_deg": ("DD", _bearing("DD", "FF")),
    "wind_speed_ms": ("FF", _rounded("FF")),
    "max_mean_wind_ms": ("FXY", _rounded("FXY")),
    "max_mean_wind_direction_deg": ("DXY", _bearing("DXY", "FXY")),
    "gust_3s_ms": ("FXI3S", _rounded("FXI3S")),
    "gust_3s_direction_deg": ("DXI3S", _bearing("DXI3S", "FXI3S")),
    "gust_instantaneous_ms": ("FXI", _rounded("FXI")),
    "gust_instantaneous_direction_deg": ("DXI", _bearing("DXI", "FXI")),
    # Real time writes -0.1 for a trace, and so may the archive.
    "precipitation_mm": ("RR1", f"case when {{0}}RR1 < 0 then 0 else {_rounded('RR1')} end"),
    "snow_depth_cm": ("NEIGETOT", _rounded("NEIGETOT")),
    "visibility_m": ("VV", _rounded("VV")),
    "cloud_cover_octas": ("N", "case when try_cast({0}N as integer) <= 8 then try_cast({0}N as integer) end"),
    "sunshine_min": ("INS", _rounded("INS")),
    "radiation_j_m2": ("GLO", _rounded("GLO", 10_000)),  # from J/cm²
    "soil_temperature_10cm_c": ("T10", _rounded("T10")),
    "soil_temperature_20cm_c": ("T20", _rounded("T20")),
    "soil_temperature_50cm_c": ("T50", _rounded("T50")),
    "soil_temperature_100cm_c": ("T100", _rounded("T100")),
    "pressure_hpa": ("PSTAT", _rounded("PSTAT")),
    "sea_level_pressure_hpa": ("PMER", _rounded("PMER")),
}

_COLUMNS = (
    *("station_id", "station_name", "latitude", "longitude", "observed_at"),
    *(part for name in READ for part in (name, f"Q{name}")),
)


def hours_sql(files: Sequence[ArchiveFile], parquet: Callable[..., str], columns: Sequence[str] = _COLUMNS) -> str:
    """SELECT every hour of these files, an hour that two hold from the one that wins; columns as upstream names them.

    `parquet` writes the SQL that reads files, named relative to the data directory. `last_modified` is their file's.
    """
    if not files:
        texts = {"station_id": "varchar", "station_name": "varchar", "observed_at": "timestamptz"}
        types = {name: texts.get(name, "utinyint" if name.startswith("Q") else "float") for name in columns}
        types |= {"N": "varchar", "last_modified": "timestamptz"}
        return f"select {', '.join(f'null::{kind} as {name}' for name, kind in types.items())} where false"
    departments = [(code, list(mine)) for code, mine in groupby(files, key=lambda file: file.department)]
    return " union all ".join(_hours_of_department(code, mine, parquet, columns) for code, mine in departments)


def _hours_of_department(
    code: str, files: Sequence[ArchiveFile], parquet: Callable[..., str], columns: Sequence[str]
) -> str:
    told = ", ".join(f"{literal(file.digest)}: timestamptz {literal(file.last_modified)}" for file in files)
    names = ", ".join(f"file.{column}" for column in columns)
    select = f"select {names}, map {{{told}}}[parse_filename(file.filename, true)] as last_modified"
    # Bounds of the ids: a condition on a station then takes away the files of all other départements when DuckDB plans.
    prefix = code.zfill(2)
    here = f"file.station_id >= '{prefix}' and file.station_id <= '{prefix}999999'"
    alone: list[str] = []
    parts: list[str] = []
    for file in files:
        assert file.file is not None  # noqa: S101 - a file in use was written
        winners = [winner.file for winner in winners_over(file, files) if winner.file]
        if not winners:
            alone.append(file.file)
            continue
        parts.append(
            f"{select} from {parquet([file.file], with_name=True)} as file where {here} and not exists ("
            f"select 1 from {parquet(winners)} as winner"
            " where winner.station_id = file.station_id and winner.observed_at = file.observed_at)"
        )
    return " union all ".join([f"{select} from {parquet(alone, with_name=True)} as file where {here}", *parts])

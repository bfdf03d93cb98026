"""The query parameters of the reads under /warehouse."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from api.warehouse.answer.columns import known_zone
from api.warehouse.answer.formats import FormatName
from api.warehouse.open.units import Units

_AGE = re.compile(r"(\d{1,6})\s*(s|m|min|h|d)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def _read_age(value: Any) -> Any:
    """Take `90m`, `2h`, `1d` beside ISO 8601's `PT2H`."""
    match = _AGE.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]]) if match else value


Age = Annotated[timedelta, BeforeValidator(_read_age), Field(gt=timedelta(0), le=timedelta(days=36_600))]


class ReadQuery(BaseModel):
    """What every read takes. Unknown parameters are refused, so that a typing error is not ignored."""

    model_config = ConfigDict(extra="forbid")

    snapshot: str | None = Field(
        None, max_length=80, description="Answer from this kept snapshot (see /warehouse/snapshots), not the newest."
    )
    format: FormatName | None = Field(None, description="Format of the answer; without it, `Accept` decides.")


def _zone_or_none(name: str | None) -> str | None:
    return None if name is None else known_zone(name)


class RowsQuery(ReadQuery):
    """What every read of rows takes."""

    tz: Annotated[str, AfterValidator(known_zone)] = Field(
        "UTC",
        description="IANA time zone of the times in the answer, and of times given without an offset.",
        examples=["Europe/Paris"],
    )


class AtPlaceQuery(RowsQuery):
    """What reads of one place take."""

    place: str | None = Field(
        None,
        max_length=120,
        description="Town, with its département where the name needs it: `Foix`, `Saint-Denis (974)`, `Paris 15`, "
        "a postal code; or a station's name.",
        examples=["Foix"],
    )
    near: str | None = Field(
        None, max_length=60, description="`latitude,longitude`: nearest first, with `distance_km`.",
        examples=["42.97,1.61"],
    )  # fmt: skip
    altitude: float | None = Field(
        None,
        ge=-100,
        le=9000,
        description="Altitude of the point, m, so that height counts and `higher_m` is told; most towns have one.",
    )
    max_km: float = Field(50.0, gt=0, le=20_100, description="Farthest distance from the place, km.")
    max_height_m: float = Field(
        300.0, gt=0, le=9000, description="Where the altitude is known: most metres a station may be above or below."
    )
    by_altitude: bool = Field(
        True,
        description="100 m of height count as 10 km, and `max_height_m` holds; `false` leaves altitude out.",
    )


class LatestQuery(AtPlaceQuery):
    """Parameters of /warehouse/latest."""

    dept: list[str] = Field([], description="Département: code or name; repeats.", examples=[["9"]], max_length=120)
    station: list[str] = Field([], description="Station: id or name; repeats.", max_length=1000)
    bbox: str | None = Field(None, max_length=120, description="`west,south,east,north` in degrees.")
    fields: str | None = Field(
        None, max_length=4000, description="Columns wanted, separated by commas; station and hour always come."
    )
    max_age: Age | None = Field(
        None,
        description="Leave out observations older than this, from now: `90m`, `2h`, `1d` or `PT2H`.",
        examples=["3h"],
    )
    fill: bool = Field(
        False,
        description="With `place` or `near`: one row, the nearest station's; a field it lacks comes from the next "
        "station that has it for the same hour and is not too far above or below; `filled_from` says which.",
    )
    units: Units = Field("metric", description="`metric` (°C, hPa, cm), or `si` (K, Pa, m) as upstream sends.")


class PeriodQuery(AtPlaceQuery):
    """Parameters of /warehouse/period."""

    station: list[str] = Field([], description="Station: id or name; repeats.", max_length=1000)
    dept: list[str] = Field([], description="Département: code or name; repeats.", max_length=120)
    since: str | None = Field(
        None,
        max_length=40,
        description="Where the period begins; without it, today. A day (`2026-04-01`), a time, `3d` or `48h` back from "
        "now, or the beginning of `today`, `yesterday`, `this-week`, `last-week`, `this-month`, `last-month`, "
        "`this-year`.",
        examples=["yesterday"],
    )
    until: str | None = Field(
        None,
        max_length=40,
        description="Where it ends: the same, a day or word up to its end; without it, the newest hour.",
        examples=["yesterday"],
    )
    fields: str | None = Field(
        None,
        max_length=1000,
        description="Quantities, separated by commas: rain, temperature, wind, gusts and sunshine without it.",
        examples=["precipitation_mm"],
    )
    over: float | None = Field(
        None, description="Count hours and days with this much or more, of one quantity; rain and snow have 1."
    )
    under: float | None = Field(
        None, description="Count hours and days with this much or less, of one quantity; temperature has 0."
    )
    days: str = Field("day", pattern="^(day|night)$", description="What is counted: days, or nights from noon to noon.")
    top: int | None = Field(
        None, ge=1, le=1000, description="Keep the stations with the highest and the lowest values, this many of each."
    )
    tz: Annotated[str | None, AfterValidator(_zone_or_none)] = Field(  # type: ignore[assignment]
        None,
        description="IANA time zone of the days and of the times in the answer; without it, the place's own.",
        examples=["Europe/Paris"],
    )
    limit: int | None = Field(None, ge=1, description="Most rows.")


class ObservationsQuery(RowsQuery):
    """Parameters of /warehouse/observations."""

    station: list[str] = Field([], description="Station: id or name; repeats.", max_length=1000)
    dept: list[str] = Field([], description="Département: code or name; repeats.", max_length=120)
    place: str | None = Field(None, max_length=120, description="Town: the one station that stands for it.")
    start: str | None = Field(
        None, max_length=40, description="First hour or day, inclusive, ISO 8601; in `tz` without an offset."
    )
    end: str | None = Field(None, max_length=40, description="Last hour or day, inclusive.")
    fields: str | None = Field(
        None, max_length=4000, description="Columns wanted, separated by commas; station and time always come."
    )
    resolution: str = Field(
        "hour", pattern="^(hour|day)$", description="`hour`, or `day` for Météo-France's climatological days."
    )
    units: Units = Field("metric", description="`metric` (°C, hPa, cm), or `si` (K, Pa, m) as upstream sends.")
    limit: int | None = Field(None, ge=1, description="Most rows; `next` leads to the rest.")
    cursor: str | None = Field(None, max_length=4000, description="`next` of the page before.")


class StationsQuery(AtPlaceQuery):
    """Parameters of /warehouse/stations."""

    dept: list[str] = Field([], description="Département: code or name; repeats.", max_length=120)
    q: str | None = Field(None, max_length=80, description="Part of the station's name.")
    bbox: str | None = Field(None, max_length=120, description="`west,south,east,north` in degrees.")
    limit: int | None = Field(None, ge=1, description="Most rows; `next` leads to the rest.")
    cursor: str | None = Field(None, max_length=4000, description="`next` of the page before.")


class TableQuery(RowsQuery):
    """Parameters of /warehouse/tables/{schema}/{table}; every other parameter is a filter on a column."""

    model_config = ConfigDict(extra="ignore")

    select: str | None = Field(None, max_length=4000, description="Columns wanted, separated by commas.")
    order: str | None = Field(
        None, max_length=1000, description="Columns to order by; `-` before a name turns it round. NULL comes last."
    )
    limit: int | None = Field(None, ge=0, description="Most rows; 0 describes the table only.")
    cursor: str | None = Field(None, max_length=4000, description="`next` of the page before.")


class DownloadQuery(BaseModel):
    """Parameters of /warehouse/download."""

    model_config = ConfigDict(extra="forbid")

    snapshot: str | None = Field(None, max_length=80, description="A kept snapshot; the served one without it.")
    table: str | None = Field(
        None,
        max_length=200,
        description="One table or view as Parquet; the whole DuckDB file without it.",
        examples=["marts.hourly_observations"],
    )

"""The query parameters of the reads under /climate, and of /archive/coverage."""

from datetime import date

from pydantic import ConfigDict, Field

from api.schemas.reads import ReadQuery


class ClimateQuery(ReadQuery):
    """Parameters of /climate/{station}/records."""

    quantity: str | None = Field(
        None, max_length=60, description="One quantity, such as `temperature_max_c`; all without it."
    )


class NormalsQuery(ClimateQuery):
    """Parameters of /climate/{station}/normals."""

    resolution: str = Field(
        "month", pattern="^(month|day)$", description="`month`, with the year as month null, or `day`."
    )


class HistoryQuery(ReadQuery):
    """Parameters of /climate/{station}/history."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    start: date | None = Field(None, alias="from", description="First day, inclusive.")
    end: date | None = Field(None, alias="to", description="Last day, inclusive.")
    resolution: str = Field(
        "day",
        pattern="^(hour|day|month|year)$",
        description="`hour` (days are then UTC), `day`, or `month` or `year`, whose values are of whole ones.",
    )
    windows: bool = Field(
        False,
        description="With `resolution=hour`: add sums, means and extremes of the 3, 6, 12 and 24 hours up to each one.",
    )
    limit: int | None = Field(None, ge=1, description="Most rows; `next` leads to the rest.")
    cursor: str | None = Field(None, max_length=4000, description="`next` of the page before.")


FIRST_DAY, LAST_DAY = date(1750, 1, 1), date(2199, 12, 31)  # of all questions about climate


class AccumulateQuery(ReadQuery):
    """Parameters of /climate/{station}/accumulate."""

    quantity: str = Field(
        max_length=60,
        description="`rain`, `sunshine`, `degree_days`, `growing_degree_days`, `chill_hours` or `et0`.",
        examples=["rain"],
    )
    since: date = Field(ge=FIRST_DAY, le=LAST_DAY, description="First day, inclusive.", examples=["2025-04-01"])
    until: date | None = Field(
        None, ge=FIRST_DAY, le=LAST_DAY, description="Last day, inclusive; the station's newest day without it."
    )
    base: float | None = Field(
        None,
        ge=-40,
        le=60,
        description="°C from which degree days (18), growing degree days (10) or chill hours (7.2) count.",
    )
    resolution: str = Field("total", pattern="^(total|day)$", description="`total`, or `day` with the sum so far.")
    limit: int | None = Field(None, ge=1, description="With `day`: most rows; `next` leads to the rest.")
    cursor: str | None = Field(None, max_length=4000, description="`next` of the page before.")


class _SpellsQuery(ReadQuery):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    start: date | None = Field(None, alias="from", description="Leave out what ended before this day.")
    end: date | None = Field(None, alias="to", description="Leave out what began after this day.")
    limit: int | None = Field(None, ge=1, description="Most rows; `next` leads to the rest.")
    cursor: str | None = Field(None, max_length=4000, description="`next` of the page before.")


class DrySpellsQuery(_SpellsQuery):
    """Parameters of /climate/{station}/dry-spells."""

    under: float = Field(1.0, gt=0, le=100, description="A day with less rain than this is dry, mm.")
    least_days: int = Field(1, ge=1, le=1000, description="Leave out shorter spells.")


class HeatWavesQuery(_SpellsQuery):
    """Parameters of /climate/{station}/heat-waves."""

    over: float = Field(30.0, ge=-20, le=60, description="A day with a maximum of this or more is hot, °C.")
    least_days: int = Field(3, ge=1, le=1000, description="Leave out shorter ones.")


class ColdSpellsQuery(_SpellsQuery):
    """Parameters of /climate/{station}/cold-spells."""

    under: float = Field(-5.0, ge=-60, le=20, description="A day with a minimum of this or less is cold, °C.")
    least_days: int = Field(3, ge=1, le=1000, description="Leave out shorter ones.")


class ReturnPeriodsQuery(ReadQuery):
    """Parameters of /climate/{station}/return-periods."""

    quantity: str = Field(
        "rain",
        max_length=60,
        description="`rain` (of a day), `tx`, `tn` (its lowest), `wind`, `gust` (instantaneous) or `gust_3s`.",
    )


class FrostsQuery(_SpellsQuery):
    """Parameters of /climate/{station}/frosts."""

    under: float = Field(0.0, ge=-40, le=20, description="A minimum of this or less is frost, °C.")


class NormalQuery(ReadQuery):
    """Parameters of /climate/normal."""

    station: str | None = Field(
        None,
        max_length=120,
        description="Station: id or name. Without it, one row for each station that has the value.",
        examples=["09289001"],
    )
    dept: list[str] = Field([], description="Without `station`: département, code or name; repeats.", max_length=120)
    day: date = Field(
        alias="date", ge=FIRST_DAY, le=LAST_DAY, description="The day asked about.", examples=["2025-07-01"]
    )
    quantity: str = Field(
        "temperature_max_c", max_length=60, description="A quantity of /climate/{station}/normals?resolution=day."
    )
    resolution: str = Field(
        "day",
        pattern="^(day|month|year)$",
        description="`day`, or, of one station, the `month` or `year` up to this day against the same days of others.",
    )
    limit: int | None = Field(None, ge=1, description="Without `station`: most rows; `next` leads to the rest.")
    cursor: str | None = Field(None, max_length=4000, description="`next` of the page before.")


class CoverageQuery(ReadQuery):
    """Parameters of /archive/coverage."""

    dept: list[str] = Field([], description="Département: code or name; repeats.", max_length=120)
    station: str | None = Field(None, max_length=120, description="Station: id or name.")
    dataset: str = Field("days", pattern="^(days|hours)$", description="Official `days`, or the archive's `hours`.")
    by: str = Field(
        "station",
        pattern="^(station|year|month)$",
        description="One row per station, or per station and year or month.",
    )
    limit: int | None = Field(None, ge=1, description="Most rows; `next` leads to the rest.")
    cursor: str | None = Field(None, max_length=4000, description="`next` of the page before.")

"""How rare is it? Values that one year in 2 to 100 exceeds, from the extremes of whole years."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from api.warehouse.answer.render import Rows
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.question.climate import WHOLE, known_quantity
from api.warehouse.question.gev import fit_gev, intervals
from api.warehouse.question.posts import find_post, known_as

LEAST_YEARS = 30
PERIODS = (2, 5, 10, 20, 50, 100)
_RESAMPLES, _SHARE, _SEED = 1_000, 0.9, 1


@dataclass(frozen=True)
class Extreme:
    """What is the extreme of a year: the highest day of a column, or its lowest."""

    column: str
    unit: str
    is_lowest: bool = False


QUANTITIES = {
    "rain": Extreme("precipitation_mm", "mm"),
    "tx": Extreme("temperature_max_c", "°C"),
    "tn": Extreme("temperature_min_c", "°C", is_lowest=True),
    "wind": Extreme("max_mean_wind_ms", "m/s"),
    "gust": Extreme("gust_instantaneous_ms", "m/s"),
    "gust_3s": Extreme("gust_3s_ms", "m/s"),
}
_RULE = (
    f"Extremes of at least {LEAST_YEARS} whole calendar years. {WHOLE} `value` is exceeded in one year of "
    "`return_period_years` on average (of `tn`: it is colder). `low` and `high` are the interval of "
    f"{_SHARE:.0%} confidence. Where `is_beyond_series` is true the series is shorter than the period. Climate "
    "changes, so past years may say little about those to come."
)
_METHOD = (
    "Generalised extreme value distribution, fitted by L-moments (Hosking 1990); a `shape` under 0 is a heavy tail. "
    f"Intervals: bootstrap of {_RESAMPLES:,} resamples, seed {_SEED}."
)
_SCHEMA = pa.schema(
    {
        "station_id": pa.string(),
        "quantity": pa.string(),
        "unit": pa.string(),
        "return_period_years": pa.int64(),
        "value": pa.float64(),
        "low": pa.float64(),
        "high": pa.float64(),
        "is_beyond_series": pa.bool_(),
        "years": pa.int64(),
        "years_left_out": pa.int64(),
        "first_year": pa.int64(),
        "last_year": pa.int64(),
        "location": pa.float64(),
        "scale": pa.float64(),
        "shape": pa.float64(),
    }
)


def read_return_periods(snapshot: OpenSnapshot, executor: Executor, station: str, quantity: str) -> Rows:
    """One row for each return period; without a value where there are too few whole years."""
    wanted = QUANTITIES[known_quantity(quantity, tuple(QUANTITIES))]
    post = find_post(snapshot, executor, station)
    years = _years(snapshot, executor, post, wanted)
    whole = {row["year"]: row["extreme"] for row in years if row["is_whole"]}
    about = {
        "station_id": post,
        "quantity": quantity,
        "unit": wanted.unit,
        "years": len(whole),
        "years_left_out": len(years) - len(whole),
        "first_year": min(whole, default=None),
        "last_year": max(whole, default=None),
    }
    rows = [
        about | {"return_period_years": period, "is_beyond_series": period > len(whole)} | level
        for period, level in zip(PERIODS, _levels(list(whole.values()), wanted), strict=True)
    ]
    said = {} if rows[0].get("value") is not None else {"message": _why_not(len(whole), post)}
    members: dict[str, Any] = {"rule": _RULE, "method": _METHOD, **known_as(post), **said}
    return Rows(pa.Table.from_pylist(rows, schema=_SCHEMA), members=members)


def _years(snapshot: OpenSnapshot, executor: Executor, post: str, wanted: Extreme) -> list[dict[str, Any]]:
    return executor.fetch_dicts(
        snapshot,
        f"""
        select
            year(observed_date) as year, {"min" if wanted.is_lowest else "max"}({wanted.column}) as extreme,
            year(observed_date) in (
                select year(month) from marts.monthly_history
                where station_id = ? and quantity = '{wanted.column}' and is_whole
                group by year(month) having count(*) = 12
            ) as is_whole
        from marts.daily_history
        where station_id = ? and {wanted.column} is not null
        group by year(observed_date)
        order by year
        """,
        [post, post],
        post,
    )


def _levels(extremes: Sequence[float], wanted: Extreme) -> list[dict[str, float]]:
    """Fit the lowest values upside down."""
    sign = -1 if wanted.is_lowest else 1
    values = [sign * value for value in extremes]
    fitted = fit_gev(values) if len(values) >= LEAST_YEARS else None
    if fitted is None:
        return [{} for _ in PERIODS]
    told = {
        "location": round(sign * fitted.location, 4), "scale": round(fitted.scale, 4), "shape": round(fitted.shape, 4)
    }  # fmt: skip
    spans = intervals(values, PERIODS, resamples=_RESAMPLES, share=_SHARE, seed=_SEED)
    return [
        {
            "value": round(sign * fitted.level(period), 1),
            "low": round(min(sign * span[0], sign * span[1]), 1),
            "high": round(max(sign * span[0], sign * span[1]), 1),
            **told,
        }
        for period, span in zip(PERIODS, spans, strict=True)
    ]


def _why_not(years: int, post: str) -> str:
    if years < LEAST_YEARS:
        return f"{years} whole years of {post} have this quantity, and {LEAST_YEARS} are needed: nothing is computed"
    return f"the extremes of {post} are too much alike to fit a distribution: nothing is computed"

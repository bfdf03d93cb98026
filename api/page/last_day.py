"""The last 24 hours of all stations shown, in one query: a small curve for each, and the extremes."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from api.page.measures import Measure
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot

HOURS = 24
HEIGHT = 15  # of a curve, in steps; its width is one step an hour
_GAP = "-"
_LOWEST = ord("a")

# A letter an hour says how high it is between the station's least and greatest value, `-` that it is missing.
_CURVES = """
with hours as (
    select
        station_id, date_diff('hour', ?::timestamptz, observed_at) - 1 as slot, {column} as value,
        temperature_min_c, temperature_max_c, temperature_c, precipitation_mm, gust_ms, observed_at
    from marts.hourly_observations
    where observed_at > ? and observed_at <= ? {where}
),
stations as (
    select
        station_id, {lowest} as lowest, greatest(max(value) - {lowest}, {span}) as span,
        max(coalesce(temperature_max_c, temperature_c)) as hottest,
        arg_max(observed_at, coalesce(temperature_max_c, temperature_c)) as hottest_at,
        min(coalesce(temperature_min_c, temperature_c)) as coldest,
        arg_min(observed_at, coalesce(temperature_min_c, temperature_c)) as coldest_at,
        case when count(precipitation_mm) = {hours} then round(sum(precipitation_mm), 1) end as wettest,
        max(gust_ms) * 3.6 as windiest, arg_max(observed_at, gust_ms) as windiest_at
    from hours group by station_id
),
letters as (
    select stations.station_id, string_agg(coalesce(
        chr(({letter} + round((value - lowest) / span * {height}))::integer), '{gap}'), '' order by slots.slot) as curve
    from stations
    cross join (select unnest(range({hours})) as slot) as slots
    left join hours on stations.station_id = hours.station_id and slots.slot = hours.slot
    group by stations.station_id
)
select stations.* exclude (lowest, span), curve from stations join letters using (station_id)
"""

EXTREMES = (("hottest", True), ("coldest", False), ("wettest", True), ("windiest", True))  # and whether the most wins


def read_last_day(
    snapshot: OpenSnapshot,
    executor: Executor,
    measure: Measure,
    newest: datetime | None,
    wanted: tuple[str, Sequence[Any]] = ("", ()),
) -> dict[str, dict[str, Any]]:
    """Read each station's curve of a measure and its extremes; `wanted` is an SQL condition and its values."""
    if newest is None:
        return {}
    start = newest - timedelta(hours=HOURS)
    condition, values = wanted
    sql = _CURVES.format(
        column=measure.curve_column, where=f"and {condition}" if condition else "", hours=HOURS, height=HEIGHT,
        lowest="0" if measure.from_zero else "min(value)", span=measure.least_span, letter=_LOWEST, gap=_GAP,
    )  # fmt: skip
    rows = executor.fetch_dicts(snapshot, sql, [start, start, newest, *values])
    return {row["station_id"]: row | {"path": curve_path(row["curve"])} for row in rows}


def curve_path(letters: str) -> str:
    """Draw the letters of a curve as SVG; a missing hour breaks the line, a lone hour is a dot."""
    parts, before = [], None
    for hour, letter in enumerate(letters):
        if letter == _GAP:
            before = None
            continue
        y = _LOWEST + HEIGHT - ord(letter)
        if before is None:
            parts.append(f"M{hour} {y}h0")
        else:
            parts.append("h1" if y == before else f"l1 {y - before}" if y > before else f"l1{y - before}")
        before = y
    return "".join(parts)


def find_extremes(
    stations: Sequence[Mapping[str, Any]], last_day: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Find the hottest, coldest, wettest and windiest of the stations; left out when nobody measured it."""
    told = []
    for name, is_most in EXTREMES:
        known = [(last_day[s["station_id"]][name], s) for s in stations
                 if s["station_id"] in last_day and last_day[s["station_id"]][name] is not None]  # fmt: skip
        if not known:
            continue
        value, station = (max if is_most else min)(known, key=lambda pair: pair[0])
        if name == "wettest" and value == 0:
            continue
        told.append({"name": name, "value": value, "at": last_day[station["station_id"]].get(f"{name}_at"),
                     "station_id": station["station_id"], "station_name": station["station_name"]})  # fmt: skip
    return told

"""A year over its normal as SVG paths: the band, the normal, the days, the records of the months."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from typing import Any

WIDTH, HEIGHT = 1000, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 8, 10, 26
_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_MOST_TICKS = 7
_LEAP_YEAR = 2024  # every year is drawn on the days of one that has them all

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """What is drawn: each a value by day of a leap year, 0 to 365; None where there is none."""

    days: Sequence[float | None]
    normal: Sequence[float | None]
    low: Sequence[float | None]
    high: Sequence[float | None]
    records: Sequence[tuple[int, str, float]] = ()  # month, `highest` or `lowest`, value
    is_leap: bool = False  # else 29 February is no gap in the days


def place_of(month: int, day: int) -> int:
    """Which day of a leap year it is, from 0."""
    return date(_LEAP_YEAR, month, day).timetuple().tm_yday - 1


def by_day(rows: Iterable[Mapping[str, Any]], column: str) -> list[float | None]:
    """Spread rows that have `month` and `day` over a leap year."""
    spread: list[float | None] = [None] * 366
    for row in rows:
        spread[place_of(row["month"], row["day"])] = row[column]
    return spread


def cumulate(values: Sequence[float | None], is_leap: bool) -> list[float | None]:
    """Sum from the first day on, up to the first that is missing: no sum goes over a hole."""
    leap_day = place_of(2, 29)
    known = [0.0 if place == leap_day and not is_leap else value for place, value in enumerate(values)]
    end = known.index(None) if None in known else len(known)
    sums = accumulate(value for value in known[:end] if value is not None)
    return [*sums, *[None] * (len(known) - end)]


def draw(series: Series) -> dict[str, Any]:
    """Draw it: paths, and where the axes have their numbers and months."""
    shown = [*series.days, *series.normal, *series.low, *series.high, *(value for _, _, value in series.records)]
    known = [value for value in shown if value is not None]
    ticks = _ticks(min(known, default=0), max(known, default=1))
    bottom, top = ticks[0], ticks[-1]

    def x(place: float) -> float:
        return round(_LEFT + place / 366 * (WIDTH - _LEFT - _RIGHT), 1)

    def y(value: float) -> float:
        return round(_TOP + (top - value) / (top - bottom) * (HEIGHT - _TOP - _BOTTOM), 1)

    def places(values: Sequence[float | None]) -> list[Point | None]:
        return [None if value is None else (x(place + 0.5), y(value)) for place, value in enumerate(values)]

    months = [
        (month, x(place_of(month, 1)), x(place_of(month + 1, 1) if month < 12 else 366)) for month in range(1, 13)
    ]
    edges = {month: (start, end) for month, start, end in months}
    records: dict[str, str] = {"highest": "", "lowest": ""}
    for month, kind, value in series.records:
        records[kind] += f"M{edges[month][0]} {y(value)}H{edges[month][1]}"
    return {
        "width": WIDTH, "height": HEIGHT, "left": _LEFT, "right": WIDTH - _RIGHT, "bottom": HEIGHT - _BOTTOM,
        "ticks": [(value, y(value)) for value in ticks],
        "months": [(month, start, (start + end) / 2) for month, start, end in months],
        "days": _line(places(series.days) if series.is_leap else _without_leap_day(places(series.days))),
        "normal": _line(_without_leap_day(places(series.normal))),
        "band": _band(_without_leap_day(places(series.low)), _without_leap_day(places(series.high))),
        "records": records,
    }  # fmt: skip


def _without_leap_day(points: list[Point | None]) -> list[Point | None]:
    """Go from 28 February to 1 March: most years have no day between them, and no normal has."""
    leap_day = place_of(2, 29)
    return points[:leap_day] + points[leap_day + 1 :]


def _line(points: Sequence[Point | None]) -> str:
    """A line, broken where a day is missing."""
    parts, is_down = [], False
    for point in points:
        if point is not None:
            parts.append(f"{'L' if is_down else 'M'}{point[0]} {point[1]}" + ("" if is_down else "h0"))
        is_down = point is not None
    return "".join(parts)


def _band(low: Sequence[Point | None], high: Sequence[Point | None]) -> str:
    """The areas between two lines."""
    areas: list[list[tuple[Point, Point]]] = [[]]
    for below, above in zip(low, high, strict=True):
        if below is not None and above is not None:
            areas[-1].append((below, above))
        elif areas[-1]:
            areas.append([])
    outlines = [[above for _, above in area] + [below for below, _ in reversed(area)] for area in areas if area]
    return "".join("M" + "L".join(f"{px} {py}" for px, py in outline) + "z" for outline in outlines)


def _ticks(lowest: float, highest: float) -> list[float]:
    """Round numbers around everything that is shown."""
    step = next((s for s in _STEPS if (highest - lowest) / s <= _MOST_TICKS - 1), _STEPS[-1])
    first, last = math.floor(lowest / step), math.ceil(highest / step)
    return [number * step for number in range(first, max(last, first + 1) + 1)]

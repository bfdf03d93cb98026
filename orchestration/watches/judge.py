"""Which events a series of hours shows, and what of them is new. Plain functions of values: no file, no clock."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestration.watches.condition import Condition


@dataclass(frozen=True)
class Point:
    """The value that counts at one hour: the lowest or the highest of the watch's stations."""

    hour: int  # hours since 1970, UTC
    value: float
    station: str
    is_measured: bool = True  # false: a station's last value, counted while its next one is missing


@dataclass
class Interval:
    """Hours in which the condition holds: from `began` until before `ended`, None while it holds."""

    began: Point
    worst: Point
    ended: int | None = None


@dataclass(frozen=True)
class Event:
    """An event as it was told. One that is open has no end."""

    id: int
    began: Point
    ended: int | None = None


@dataclass(frozen=True)
class Change:
    """What to tell: `began`, `over`, both at once (`passed`), or `corrected`: it never was, say newer values."""

    kind: str
    interval: Interval
    event: Event | None = None


def find_intervals(
    points: Sequence[Point], condition: Condition, hysteresis: float, still_on: Point | None = None
) -> list[Interval]:
    """Go through the hours in order. `still_on` is where an event began that was on before the first of them."""
    found: list[Interval] = []
    first = worst = None  # of the hours that meet the condition and are still too few
    current = Interval(still_on, still_on) if still_on is not None else None
    for point in points:
        if current is not None:
            if condition.is_met(point.value, hysteresis):
                current.worst = _worse(condition, current.worst, point)
                continue
            current.ended = point.hour
            found.append(current)
            current = None
        if not point.is_measured:
            continue
        if not condition.is_met(point.value):
            first = None
            continue
        worst = _worse(condition, worst, point) if first is not None and worst is not None else point
        first = first or point
        if point.hour - first.hour + 1 >= condition.hours:
            current, first = Interval(first, worst), None
    return [*found, current] if current is not None else found


def compare(found: Sequence[Interval], known: Sequence[Event], newest: Point | None, made_hour: int) -> list[Change]:
    """Say what is new against the events that were told; events that ended before `made_hour` are no concern.

    An interval that shares an hour with a told event is that event, so the same hours twice tell nothing.
    """
    if newest is None:  # no value at all: nothing can be said
        return []
    changes: list[Change] = []
    for event in known:
        if event.ended is not None:
            continue
        same = [interval for interval in found if _overlap(interval, event)]
        if not same:
            gone = Interval(event.began, event.began, max(newest.hour, event.began.hour))
            changes.append(Change("corrected", gone, event))
        elif all(interval.ended is not None for interval in same):
            whole = Interval(event.began, same[-1].worst, same[-1].ended)
            changes.append(Change("over", whole, event))
    for interval in found:
        overlapping = [event for event in known if _overlap(interval, event)]
        if not overlapping:
            if interval.ended is None:
                changes.append(Change("began", interval))
            elif interval.ended > made_hour:
                changes.append(Change("passed", interval))
        elif interval.ended is None and all(event.ended is not None for event in overlapping):
            # It was told to be over, and newer values say that it goes on: better told twice than missed.
            changes.append(Change("began", Interval(newest, interval.worst)))
    return changes


def _overlap(interval: Interval, event: Event) -> bool:
    starts_before = event.ended is None or interval.began.hour < event.ended
    return starts_before and (interval.ended is None or event.began.hour < interval.ended)


def _worse(condition: Condition, one: Point, other: Point) -> Point:
    is_worse = other.value < one.value if condition.is_below else other.value > one.value
    return other if is_worse else one

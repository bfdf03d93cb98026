"""Hours in, changes out. The values are chosen so that each right answer can be seen by eye."""

import pytest

from orchestration.watches.condition import read_condition
from orchestration.watches.judge import Change, Event, Point, compare, find_intervals

FROST = read_condition("temperature_c < 0")


def points(*values: float | None, first: int = 100) -> list[Point]:
    """One value an hour; None is an hour without one."""
    return [Point(first + n, value, "S") for n, value in enumerate(values) if value is not None]


def spans(values, condition=FROST, hysteresis=0.0, still_on=None):
    found = find_intervals(points(*values), condition, hysteresis, still_on)
    return [(interval.began.hour, interval.ended, interval.worst.value) for interval in found]


def changes(values, known=(), made_hour=0, hysteresis=0.0) -> list[tuple[str, int, int | None]]:
    hours = points(*values)
    still_on = next((e.began for e in known if e.ended is None and e.began.hour < hours[0].hour), None)
    found = find_intervals(hours, FROST, hysteresis, still_on)
    return [summary(change) for change in compare(found, known, hours[-1], made_hour)]


def summary(change: Change) -> tuple[str, int, int | None]:
    return change.kind, change.interval.began.hour, change.interval.ended


def event(began: int, ended: int | None = None, id: int = 1) -> Event:
    return Event(id, Point(began, -1.0, "S"), ended)


def test_an_interval_begins_with_the_first_hour_that_meets_and_ends_with_the_first_that_does_not():
    assert spans([2, 1, -1, -3, -2, 0, 4]) == [(102, 105, -3)]  # 0 is not below 0


def test_an_interval_that_goes_on_has_no_end():
    assert spans([2, -1, -2]) == [(101, None, -2)]


def test_within_the_hysteresis_nothing_ends_and_nothing_begins():
    assert spans([0.5, -0.1, 0.5, -0.1, 0.9, 1.0, 0.5], hysteresis=1) == [(101, 105, -0.1)]
    assert spans([0.5, -0.1, 0.5, -0.1, 0.9]) == [(101, 102, -0.1), (103, 104, -0.1)]


def test_above_the_hysteresis_points_downwards():
    rain = read_condition("precipitation_24h_mm >= 30")
    assert spans([29, 30, 31, 28, 24], rain, hysteresis=5) == [(101, 104, 31)]  # 28 >= 25, 24 is not


def test_an_hour_without_a_value_changes_nothing():
    assert spans([1, -1, None, None, -1, 2]) == [(101, 105, -1)]


def test_a_condition_that_must_last_begins_with_its_first_hour():
    lasting = read_condition("temperature_c < 0 for 3 h")
    assert spans([1, -1, -2, 1, -1, -2, -4, -1, 1], lasting) == [(104, 108, -4)]
    assert spans([1, -1, -2], lasting) == []


def test_a_carried_value_keeps_an_event_on_but_begins_none():
    carried = [Point(100, -1, "A"), Point(101, -1, "A", is_measured=False)]
    assert [i.ended for i in find_intervals(carried, FROST, 0)] == [None]
    assert find_intervals(carried[1:], FROST, 0) == []


def test_an_event_from_before_the_first_hour_goes_on():
    assert spans([0.5, 0.5, 2], hysteresis=1, still_on=Point(50, -3, "S")) == [(50, 102, -3)]


@pytest.mark.parametrize(
    ("values", "known", "expected"),
    [
        ([1, -1], [], [("began", 101, None)]),
        ([1, -1], [event(101)], []),  # the same hours again
        ([1, -1, -2], [event(101)], []),
        ([1, -1, 2], [event(101)], [("over", 101, 102)]),
        ([1, -1, 2], [event(101, 102)], []),
        ([1, -1, 2], [], [("passed", 101, 102)]),  # no run judged it while it was on
        ([1, -1, 2, -1], [event(101, 102)], [("began", 103, None)]),
        ([1, 1, 2], [event(101)], [("corrected", 101, 102)]),  # a correction
        ([-1, -1, -1, 2], [event(101)], [("over", 101, 103)]),  # a late row before: the same event
        ([1, -1, -1, -1], [event(101, 102)], [("began", 103, None)]),  # told to be over, and it is not
        ([1, -1, -1, 2], [event(101, 102)], []),  # an hour longer than was told
        ([-1, 1, -1, 2], [event(102)], [("over", 102, 103), ("passed", 100, 101)]),  # a late row shows another
        ([1, -1, 1, -1], [event(101)], []),  # a late row parts it, and it is on: nothing new
    ],
)
def test_only_what_is_new_is_told(values, known, expected):
    assert changes(values, known) == expected


def test_what_ended_before_the_watch_was_made_is_no_concern():
    assert changes([1, -1, 2], made_hour=102) == []
    assert changes([1, -1, 2], made_hour=101) == [("passed", 101, 102)]
    assert changes([1, -1, -1], made_hour=102) == [("began", 101, None)]


def test_told_changes_leave_nothing_new_whatever_the_hours():
    """Judge a random walk hour by hour, with repetitions: each event is told once in and once out."""
    import random

    chance = random.Random(4)
    values = [round(chance.gauss(0, 2), 1) for _ in range(300)]
    known: list[Event] = []
    kinds = []
    for until in range(1, len(values) + 1):
        for _ in range(2):  # each snapshot twice
            hours = points(*values[:until])[-48:]
            still_on = next((e.began for e in known if e.ended is None and e.began.hour < hours[0].hour), None)
            for change in compare(find_intervals(hours, FROST, 0, still_on), known, hours[-1], 0):
                kinds.append(change.kind)
                ended = change.interval.ended
                known = [Event(e.id, e.began, ended) if e == change.event else e for e in known]
                if change.event is None:
                    known.append(Event(len(known), change.interval.began, ended))
    crossings = sum(1 for before, after in zip([9, *values], values, strict=False) if before >= 0 > after)
    assert kinds.count("began") == crossings == len(known)
    assert kinds == (["began", "over"] * crossings)[: len(kinds)]

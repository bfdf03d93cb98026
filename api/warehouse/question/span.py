"""A period as people name it: days of the place, hours back from now, or instants."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from api.warehouse.problems import BadValue
from api.warehouse.question.filters import read_instant

HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_BACK = re.compile(r"(\d{1,5})\s*(h|d|j)")  # `j` is French for a day
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_EXAMPLES = (
    "a day such as 2026-04-01, a time, 3d, 48h, today, yesterday, this-week, last-week, this-month or last-month"
)

# Where people live by another clock than Paris, by the département's code.
_ZONES = {
    "971": "America/Guadeloupe", "972": "America/Martinique", "973": "America/Cayenne", "974": "Indian/Reunion",
    "975": "America/Miquelon", "984": "Indian/Kerguelen", "985": "Indian/Mayotte", "986": "Pacific/Wallis",
    "987": "Pacific/Tahiti", "988": "Pacific/Noumea",
}  # fmt: skip


@dataclass(frozen=True)
class Span:
    """After `since` up to and with `until`: an hour's row is for the hour that ends then."""

    since: datetime
    until: datetime
    tz: str
    is_lasting: bool  # whether the same words mean the same hours tomorrow

    @property
    def first_hour(self) -> datetime:
        """The first hour's row of the period, in UTC."""
        return self.since.astimezone(UTC).replace(minute=0, second=0, microsecond=0) + HOUR

    @property
    def last_hour(self) -> datetime:
        return self.until.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def zone_of(codes: set[str | None]) -> str:
    """The clock of one territory; Paris where there are several."""
    zones = {_ZONES.get(code or "", "Europe/Paris") for code in codes}
    return zones.pop() if len(zones) == 1 else "Europe/Paris"


def read_span(since: str | None, until: str | None, tz: str, now: datetime, newest: datetime) -> Span:
    """Read the bounds; a period ends with the newest hour at the latest, because what comes after is not missing."""
    today = now.astimezone(ZoneInfo(tz)).date()
    start = _bound("since", since or "today", tz, now, today, is_last=False)
    end = now if until is None else _bound("until", until, tz, now, today, is_last=True)
    if end <= start:
        raise BadValue("until", f"the period ends ({end:%Y-%m-%dT%H:%M%z}) before it begins", "give a later until")
    is_lasting = since is not None and all(_DATE.match(text.strip()) for text in (since, until) if text is not None)
    return Span(start, min(end, newest), tz, is_lasting)


def _bound(field: str, text: str, tz: str, now: datetime, today: date, *, is_last: bool) -> datetime:
    word = text.strip().lower().replace("_", "-")
    if word == "now":
        return now
    if match := _BACK.fullmatch(word):
        return now - int(match[1]) * (HOUR if match[2] == "h" else _DAY)
    if (days := _days(word, today)) is not None:
        day = days[1] + _DAY if is_last else days[0]
        return datetime.combine(day, time(), ZoneInfo(tz))
    try:
        if _DATE.fullmatch(word):
            day = date.fromisoformat(word) + (_DAY if is_last else timedelta())
            return datetime.combine(day, time(), ZoneInfo(tz)).astimezone(UTC)
        return read_instant(text, tz).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadValue(field, f"“{text[:40]}” is no time", f"give {_EXAMPLES}") from error


def _days(word: str, today: date) -> tuple[date, date] | None:
    """The first and the last day that a word means."""
    monday, first = today - timedelta(days=today.weekday()), today.replace(day=1)
    return {
        "today": (today, today),
        "yesterday": (today - _DAY, today - _DAY),
        "this-week": (monday, monday + timedelta(days=6)),
        "last-week": (monday - timedelta(days=7), monday - _DAY),
        "this-month": (first, (first + timedelta(days=31)).replace(day=1) - _DAY),
        "last-month": ((first - _DAY).replace(day=1), first - _DAY),
        "this-year": (today.replace(month=1, day=1), today.replace(month=12, day=31)),
    }.get(word)

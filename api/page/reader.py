"""The person who reads a page: language, locale, time zone, and how numbers and times are written."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, format_timedelta, get_timezone_name
from babel.numbers import format_decimal
from fastapi import Request
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from api.page.messages import LANGUAGES, translations_of
from api.warehouse.answer.headers import read_header
from api.warehouse.problems import BadValue

DEFAULT_ZONE = "Europe/Paris"
# What the chooser offers: where the stations are, and UTC. Any other IANA name works in the address.
ZONES = (
    DEFAULT_ZONE, "UTC", "America/Guadeloupe", "America/Martinique", "America/Cayenne", "America/Miquelon",
    "Indian/Reunion", "Indian/Mayotte", "Indian/Kerguelen", "Pacific/Noumea", "Pacific/Tahiti", "Pacific/Wallis",
)  # fmt: skip
_DEFAULT_LOCALES = {"en": "en_GB", "fr": "fr_FR"}
MISSING = "–"

_CLEAR_WITHOUT_YEAR = timedelta(days=300)
_FORMS: Mapping[str, str] = {
    "hour": "EEE d MMM HH:mm",
    "dated": "EEE d MMM y HH:mm",
    "weekday": "EEE HH:mm",
    "clock": "HH:mm",
    "second": "HH:mm:ss",
}


@dataclass(frozen=True)
class Reader:
    """One way of reading: everything a page needs to know of the person in front of it."""

    language: str
    locale: Locale
    zone: str

    @property
    def tag(self) -> str:
        """The locale as HTML and JavaScript write it: `fr-FR`."""
        return str(self.locale).replace("_", "-")

    def gettext(self, text: str) -> str:
        """Translate one message."""
        return translations_of(self.language).gettext(text)

    def number(self, value: float | None, decimals: int = 0) -> str:
        """Write a number; `–` when it was not measured."""
        return MISSING if value is None else _number(value, decimals, self.locale)

    def signed(self, value: float | None, decimals: int = 0) -> str:
        """Write a difference: with its sign, above zero too."""
        return ("+" if value is not None and round(value, decimals) > 0 else "") + self.number(value, decimals)

    def moment(self, at: datetime | str | None, form: str) -> str:
        """Write a time in the reader's zone: `hour` with its day, and year where it is not clear; or another form."""
        if at is None:
            return MISSING
        moment = datetime.fromisoformat(at) if isinstance(at, str) else at
        if form == "hour" and datetime.now(UTC) - moment > _CLEAR_WITHOUT_YEAR:
            form = "dated"
        return _moment(moment, form, self.locale, self.zone)

    def day(self, day: date) -> str:
        """Write a day, with its weekday."""
        return format_date(day, "EEE d MMM y", self.locale)

    def date(self, day: date) -> str:
        """Write a day without its weekday."""
        return format_date(day, "d MMM y", self.locale)

    def month(self, number: int) -> str:
        """Write a month's short name."""
        name: str = self.locale.months["stand-alone"]["abbreviated"][number]
        return name

    def ago(self, age: timedelta) -> str:
        """Write how long ago something was, in words."""
        return format_timedelta(-age, granularity="minute", add_direction=True, locale=self.locale)

    def lasting(self, seconds: float | None) -> str:
        """Write a duration: seconds with a decimal below a minute, else in words."""
        if seconds is None:
            return MISSING
        if seconds < 60:
            return f"{self.number(seconds, 1)} s"
        return format_timedelta(timedelta(seconds=seconds), granularity="second", threshold=1.5, locale=self.locale)

    def zone_name(self, zone: str) -> str:
        """Name a time zone in words and by its place."""
        if zone == "UTC":
            return "UTC"
        return get_timezone_name(ZoneInfo(zone), width="long", locale=self.locale) + f" ({zone})"


def read_reader(request: Request) -> Reader:
    """Take language and zone from the address, else from the browser; raises BadValue for a zone that is none."""
    wanted = request.query_params.get("lang", "").replace("-", "_")
    header = read_header(request.headers, "accept-language")
    accepted = [wanted, *(tag.replace("-", "_") for tag in parse_accept_header(header, LanguageAccept).values())]
    language = next((tag[:2].lower() for tag in accepted if tag[:2].lower() in LANGUAGES), LANGUAGES[0])
    locale = next((known for tag in accepted if (known := _locale(tag)) and known.language == language), None)
    zone = request.query_params.get("tz") or DEFAULT_ZONE
    if zone not in _zones():
        raise BadValue("tz", f"“{zone[:60]}” is no time zone", "give an IANA name such as Europe/Paris")
    return Reader(language, locale or Locale.parse(_DEFAULT_LOCALES[language]), zone)


@lru_cache(maxsize=256)
def _locale(tag: str) -> Locale | None:
    """The locale of a tag that names a country too; a language alone gets our default."""
    if not re.fullmatch(r"[A-Za-z]{2}_[A-Za-z]{2}", tag):
        return None
    try:
        return Locale.parse(f"{tag[:2].lower()}_{tag[3:].upper()}")
    except (UnknownLocaleError, ValueError):
        return None


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


# The same few thousand values come again in every table: Babel takes 20 µs for each, the cache a tenth of one.
@lru_cache(maxsize=20_000)
def _number(value: float, decimals: int, locale: Locale) -> str:
    pattern = "#,##0" + (f".{'0' * decimals}" if decimals else "")
    return format_decimal(value if round(value, decimals) else 0, pattern, locale)  # no “-0.0”


@lru_cache(maxsize=20_000)
def _moment(at: datetime, form: str, locale: Locale, zone: str) -> str:
    return format_datetime(at, _FORMS[form], ZoneInfo(zone), locale)

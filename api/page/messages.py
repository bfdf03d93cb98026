"""The page's messages: English in the templates and the code, other languages in `locales/<language>.po`."""

from functools import lru_cache
from importlib.resources import files
from io import BytesIO

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

LANGUAGES = ("en", "fr")

# What the scripts say; templates hand it to them, translated.
SPOKEN_BY_SCRIPTS = (
    "A new snapshot is shown.",
    "The service does not answer. Trying again.",
    "This needs an API key",
    "The run is requested.",
    "The run is being cancelled.",
    "The same run is already in progress: here it is.",
    "The run has ended",
    "The watch is kept.",
    "The watch is deleted.",
    "Delete this watch?",
    "The address took the message.",
    "The address did not take the message. Check it, and add the watch again with the right one.",
    "No charts: the chart library did not load. The tables below have the same values.",
    "No charts: the observations did not load. Reload the page.",
    "Each point is a day: means, extremes and sums of its hours.",
    "Each point is a week: means, extremes and sums of its hours.",
    "Temperature", "Dew point", "Minimum to maximum", "Rain", "Rain, cumulated",
    "Mean wind", "Gust", "Wind from", "Pressure at sea level", "Pressure at the station", "Snow depth", "Time",
    "of",
)  # fmt: skip


@lru_cache(maxsize=len(LANGUAGES))
def translations_of(language: str) -> NullTranslations:
    """Read a language's messages; read once, no compiled file is kept."""
    if language == LANGUAGES[0]:
        return NullTranslations()
    catalog = read_po(BytesIO(files("api.page").joinpath(f"locales/{language}.po").read_bytes()), locale=language)
    compiled = BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return Translations(compiled)

"""The formats answers come in, and choosing one from `?format=` or `Accept`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from api.warehouse.problems import NotAcceptable

FormatName = Literal["json", "ndjson", "csv", "parquet", "arrow", "geojson"]


@dataclass(frozen=True)
class Format:
    """One format: its name in `?format=` and its media type."""

    name: str
    media_type: str
    is_text: bool = True

    @property
    def content_type(self) -> str:
        """The media type with what a browser needs to show it right."""
        return f"{self.media_type}; charset=utf-8; header=present" if self.name == "csv" else self.media_type


JSON = Format("json", "application/json")
NDJSON = Format("ndjson", "application/x-ndjson")
CSV = Format("csv", "text/csv")
PARQUET = Format("parquet", "application/vnd.apache.parquet", is_text=False)
ARROW = Format("arrow", "application/vnd.apache.arrow.stream", is_text=False)
GEOJSON = Format("geojson", "application/geo+json")

ROW_FORMATS = (JSON, NDJSON, CSV, PARQUET, ARROW)
PLACE_FORMATS = (*ROW_FORMATS, GEOJSON)
ONLY_JSON = (JSON,)

_ALIASES = {"application/ndjson": NDJSON, "application/jsonlines": NDJSON, "application/parquet": PARQUET}


@lru_cache(maxsize=1024)
def choose(asked: str | None, accept: str, offered: Sequence[Format]) -> Format:
    """Choose the format: `?format=` first, then the best of `Accept`, else JSON. Raises NotAcceptable."""
    names = [known.name for known in offered]
    if asked is not None:
        found = next((known for known in offered if known.name == asked), None)
        if found is None:
            raise NotAcceptable(asked, names)
        return found
    ranges = _media_ranges(accept)
    for media_type in ranges:
        for known in offered:
            if media_type in (known.media_type, "*/*", f"{known.media_type.partition('/')[0]}/*"):
                return known
        if _ALIASES.get(media_type) in offered:
            return _ALIASES[media_type]
    if ranges:
        # A browser always ends with */*; who asks for nothing we have is told what we have.
        raise NotAcceptable(accept, names)
    return offered[0]


def _media_ranges(accept: str) -> list[str]:
    """Media types of an Accept header, best first; q=0 is left out."""
    weighed = []
    for position, part in enumerate(accept.split(",")[:32]):
        media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = next((_number(p[2:]) for p in parameters if p.startswith("q=")), 1.0)
        if media_type and quality > 0:
            weighed.append((-quality, position, media_type))
    return [media_type for _, _, media_type in sorted(weighed)]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0

"""The formats of answers, and how one is chosen from `?format=` or `Accept`."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from fastapi import Request
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from api.warehouse.answer.headers import read_header
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


def choose_format(request: Request, asked: str | None, offered: tuple[Format, ...] = ROW_FORMATS) -> Format:
    """Choose the format: `?format=` first, then the best of `Accept`, else JSON. Raises NotAcceptable."""
    if asked is None:
        return _best_match(read_header(request.headers, "accept"), offered)
    found = next((known for known in offered if known.name == asked), None)
    if found is None:
        raise NotAcceptable(asked, [known.name for known in offered])
    return found


@lru_cache(maxsize=256)
def _best_match(accept: str, offered: tuple[Format, ...]) -> Format:
    # Clients send parameters (`application/json; charset=utf-8`) that no format of ours distinguishes.
    accepted = MIMEAccept((kind.partition(";")[0], quality) for kind, quality in parse_accept_header(accept))
    if not accepted:
        return offered[0]
    known = {each.media_type: each for each in offered}
    known |= {alias: each for alias, each in _ALIASES.items() if each in offered}
    best = accepted.best_match(known)
    if best is None:
        raise NotAcceptable(accept, [each.name for each in offered])
    return known[best]

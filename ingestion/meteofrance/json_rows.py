"""Reading upstream's JSON: an array of objects, or a GeoJSON collection of features."""

import json
from collections.abc import Collection, Mapping
from itertools import chain

import pyarrow as pa

from ingestion.errors import PayloadNotRecognized, PayloadTruncated
from ingestion.meteofrance.encoding import decode
from ingestion.meteofrance.packets import TextRows
from ingestion.source import MalformedRow, malformed_row

_CLOSERS = {"[": "]", "{": "}"}


def read_json_rows(body: bytes, known: Collection[str]) -> TextRows:
    """Read every row as text, numbers exactly as upstream wrote them (`80.0` stays `80.0`)."""
    text, note = decode(body)
    text = text.strip()
    items = _items(_parsed(text), text)
    good: list[Mapping[str, object]] = []
    malformed: list[MalformedRow] = []
    has_nul = "\\u0000" in text or "\0" in text
    for position, item in enumerate(items, 1):
        row = _row(item)
        if row is None:
            malformed.append(malformed_row(position, "is not an object", _as_json(item)))
        elif has_nul and "\0" in "".join(chain(row, map(_as_text, row.values()))):
            malformed.append(malformed_row(position, "holds a NUL byte", _as_json(item)))
        else:
            good.append(row)
    names = list(dict.fromkeys(chain.from_iterable(good)))
    if good and not set(names) & set(known):
        raise PayloadNotRecognized("its objects have none of the known fields", text)
    try:
        columns = [_strings([row.get(name) for row in good]) for name in names]
        return TextRows(pa.table(columns, names=names), tuple(malformed), note)
    except UnicodeEncodeError as error:  # an escape such as \ud800 is valid JSON and no text
        raise PayloadNotRecognized(f"it holds half a character: {error.reason}", text) from error


def _parsed(text: str) -> object:
    if not text:
        raise PayloadTruncated("it is empty")
    if text[0] not in _CLOSERS:
        raise PayloadNotRecognized("it does not begin as JSON rows do", text)
    try:
        # Not strict: a control character inside a text is that row's trouble, not the packet's.
        return json.loads(text, parse_float=str, parse_int=str, parse_constant=str, strict=False)
    except json.JSONDecodeError as error:
        if error.pos >= len(text) or text[-1] != _CLOSERS[text[0]]:
            raise PayloadTruncated(f"its JSON breaks off after {len(text)} characters: {text[-40:]}") from error
        raise PayloadNotRecognized(f"broken JSON: {error}", text) from error
    except RecursionError as error:
        raise PayloadNotRecognized("JSON nested without end", text) from error


def _items(parsed: object, text: str) -> list[object]:
    if isinstance(parsed, list):
        return parsed
    if isinstance(parsed, dict) and isinstance(parsed.get("features"), list):
        return list(parsed["features"])
    raise PayloadNotRecognized("JSON, but neither an array nor a collection of features", text)


def _row(item: object) -> Mapping[str, object] | None:
    """Give the object itself, or a GeoJSON feature's properties with its geometry's position."""
    if not isinstance(item, dict):
        return None
    if item.get("type") != "Feature":
        return item
    properties = item.get("properties")
    if not isinstance(properties, dict):
        return None
    geometry = item.get("geometry")
    coordinates = geometry.get("coordinates") if isinstance(geometry, dict) else None
    if isinstance(coordinates, list) and len(coordinates) >= 2:
        return {"lat": coordinates[1], "lon": coordinates[0], **properties}
    return properties


def _strings(values: list[object]) -> pa.Array:
    if not all(value is None or type(value) is str for value in values):
        values = [None if value is None else _as_text(value) for value in values]
    return pa.array([value or None for value in values], pa.string())


def _as_text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else _as_json(value)


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)

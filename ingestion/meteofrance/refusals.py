"""What an answer other than 200 means, and what upstream says about it in XML or JSON."""

import html
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ingestion.errors import (
    NotSubscribed,
    Redirected,
    RequestRefused,
    TokenRefused,
    UpstreamError,
    WrongPath,
)

TRANSIENT_STATUSES = frozenset({429, 500, 502, 503, 504})

# Read by pattern, not by an XML parser: nothing in a refusal is worth expanding entities for.
_FAULT_PART = re.compile(r"<(?:\w+:)?(code|message|description)\b[^>]*>(.*?)</(?:\w+:)?\1\s*>", re.DOTALL)


def refusal(status: int, body: bytes, *, url: str, endpoint: str, location: str = "") -> UpstreamError:
    """Turn an answer that no retry will better into the error that says what to do."""
    said = upstream_words(body)
    if 300 <= status < 400:
        return Redirected(url, location)
    if status == 401:
        return TokenRefused(said or "401")
    if status == 403:
        return NotSubscribed(said or "403")
    if status == 404:
        return WrongPath(url)
    return RequestRefused(status, said, endpoint)


def upstream_words(body: bytes) -> str:
    """Read `code: message: description` from a refusal's body; empty when it has none of them."""
    text = body[:20_000].decode("utf-8", "replace")
    parts = _json_fault(text) or {name: html.unescape(value) for name, value in _FAULT_PART.findall(text)}
    words = (str(parts.get(name) or "").strip() for name in ("code", "message", "description"))
    return ": ".join(dict.fromkeys(word for word in words if word))


def retry_after_seconds(header: str | None, now: datetime | None = None) -> float | None:
    """Read a Retry-After header, seconds or an HTTP date; None when it says nothing readable."""
    text = (header or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - (now or datetime.now(UTC))).total_seconds())


def _json_fault(text: str) -> Mapping[str, object] | None:
    try:
        fault = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(fault, dict) and isinstance(fault.get("fault"), dict):
        fault = fault["fault"]
    return fault if isinstance(fault, dict) else None

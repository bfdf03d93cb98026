"""Cursors: where a page of rows ended, in which snapshot and for which question. Checked when they come back."""

import binascii
import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from api.warehouse.problems import BadValue

_LONGEST = 4_000
_UNIMPORTANT = ("cursor", "limit", "format", "tz", "snapshot")


@dataclass(frozen=True)
class Cursor:
    """The key of the last row given; `question` is a digest of what was asked. Callers can change any of it."""

    snapshot_id: str
    question: str
    key: tuple[Any, ...]

    def __str__(self) -> str:
        """Encode for an address."""
        text = json.dumps([self.snapshot_id, self.question, list(self.key)], separators=(",", ":"))
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def question_of(path: str, parameters: Iterable[tuple[str, str]]) -> str:
    """Digest the parameters that decide rows and order. Page size and format may change from page to page."""
    asked = sorted((name, value) for name, value in parameters if name not in _UNIMPORTANT)
    return hashlib.blake2b(json.dumps([path, asked]).encode(), digest_size=9).hexdigest()


def read_cursor(text: str | None, question: str, snapshot: str | None) -> Cursor | None:
    """Read a cursor; raises BadValue for other text and for a cursor of another question."""
    if text is None:
        return None
    try:
        snapshot_id, asked, key = json.loads(urlsafe_b64decode(text[:_LONGEST].encode() + b"=" * (-len(text) % 4)))
        cursor = Cursor(str(snapshot_id), str(asked), tuple(key))
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise _refusal("it is no cursor of this service") from error
    if cursor.question != question:
        raise _refusal("it belongs to another question")
    if snapshot is not None and snapshot != cursor.snapshot_id:
        raise _refusal(f"it belongs to snapshot {cursor.snapshot_id[:60]}")
    return cursor


def _refusal(why: str) -> BadValue:
    return BadValue("cursor", why, "take `next` of the page before with the same parameters, or begin without a cursor")

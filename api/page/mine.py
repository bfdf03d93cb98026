"""The reader's own places: station ids in the address, carried on by every link."""

import re

MOST_PLACES = 24
_ID = re.compile(r"[0-9A-Za-z]{1,12}")


def read_places(text: str | None) -> list[str]:
    """Read the ids of the address, each once; what cannot be one is left out."""
    ids = dict.fromkeys(part.strip() for part in (text or "").split(","))
    return [part for part in ids if _ID.fullmatch(part)][:MOST_PLACES]

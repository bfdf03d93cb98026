"""The départements as Météo-France numbers them, and the many ways people write them."""

import csv
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from rapidfuzz import fuzz, process

from ingestion.errors import UnknownDepartment

ALL = "all"

# What people and INSEE write where Météo-France writes something else.
_ALIASES = {
    "2a": "20",
    "2b": "20",
    "corse du sud": "20",
    "haute corse": "20",
    "reunion": "974",
    "976": "985",  # INSEE's code of Mayotte; Météo-France serves it as 985
    "taaf": "984",
}


@dataclass(frozen=True)
class Department:
    """One département: `code` as requests want it (no leading zero), name, and region of 2016."""

    code: str
    name: str
    region: str

    @property
    def station_prefix(self) -> str:
        """How the ids of its stations begin: two digits, three overseas."""
        return self.code.zfill(2)

    def __str__(self) -> str:
        return f"{self.code} ({self.name})"


@lru_cache(maxsize=1)
def all_departments() -> tuple[Department, ...]:
    """Every département that has stations, mainland first."""
    with files("ingestion").joinpath("departments.csv").open(encoding="utf-8") as lines:
        return tuple(Department(**row) for row in csv.DictReader(lines))


def resolve(text: str) -> Department:
    """Find the one département meant by a code or a name; raise UnknownDepartment with the nearest."""
    key = fold(text)
    found = _by_key().get(key)
    if found is None or (key.isdecimal() and not text.strip().isdecimal()):  # `-9` is no code
        in_region = [str(d) for d in all_departments() if fold(d.region) == key]
        raise UnknownDepartment(text, in_region or _nearest(key), is_region=bool(in_region))
    return found


def resolve_all(texts: Iterable[str]) -> tuple[Department, ...]:
    """Resolve texts that may hold commas, each département once, in the order asked; `all` is every one.

    Texts that name none raise UnknownDepartment: only an empty list is empty.
    """
    texts = list(texts)
    parts = [part for text in texts for part in text.split(",") if part.strip()]
    if texts and not parts:
        raise UnknownDepartment(texts[0])
    if any(fold(part) == ALL for part in parts):
        return all_departments()
    return tuple(dict.fromkeys(resolve(part) for part in parts))


def department_of_station(station_id: str) -> str:
    """Code of the département a station's id begins with: `09289001` gives `9`."""
    digits = station_id.strip()
    prefix = digits[:3] if digits.startswith(("97", "98")) else digits[:2]
    code = _by_prefix().get(prefix)
    if code is None or not re.fullmatch(r"[0-9]{8}", digits):
        raise UnknownDepartment(station_id)
    return code


def fold(text: str) -> str:
    """Without accents, case, hyphens and apostrophes; `st` is `saint`."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    letters = "".join(c for c in plain if not unicodedata.combining(c))
    words = re.sub(r"[^a-z0-9]+", " ", letters).split()
    return " ".join("saint" if word == "st" else word for word in words)


@lru_cache(maxsize=1)
def _by_key() -> dict[str, Department]:
    by_code = {d.code: d for d in all_departments()}
    by_prefix = {d.station_prefix: d for d in all_departments()}
    by_name = {fold(d.name): d for d in all_departments()}
    return by_code | by_prefix | by_name | {alias: by_code[code] for alias, code in _ALIASES.items()}


@lru_cache(maxsize=1)
def _by_prefix() -> dict[str, str]:
    return {d.station_prefix: d.code for d in all_departments()}


def _nearest(key: str) -> list[str]:
    known = _by_key()
    if key.isdecimal() and key.lstrip("0") in known:
        return [str(known[key.lstrip("0")])]  # `009` may be a slip for 9 or for a station prefix: ask, don't guess
    alike = [name for name in known if name.isdecimal() == key.isdecimal()]
    scorer = fuzz.ratio if key.isdecimal() else fuzz.WRatio
    hits = process.extract(key, alike, scorer=scorer, limit=6, score_cutoff=65) if key else []
    return list(dict.fromkeys(str(known[name]) for name, _, _ in hits))[:3]


def label_of(departments: Sequence[Department]) -> str:
    """Name several départements in a few words: `Ariège (9)`, `France`, `3 départements`."""
    if not departments:
        return "no known département"
    if len(departments) == len(all_departments()):
        return "France"
    if len(departments) > 3:
        return f"{len(departments)} départements"
    return ", ".join(f"{department.name} ({department.code})" for department in departments)

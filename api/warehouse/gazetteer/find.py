"""From a place as people type it to one commune, or to the choices. Never a wrong town without a word of doubt."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from api.warehouse.gazetteer.communes import (
    Commune,
    Gazetteer,
    departments_by_name,
    gazetteer,
    insee_department,
    plain,
    without_article,
)

_MOST_CHOICES = 8
_DOMINATES = 10  # a town this many times larger than its namesakes is meant without its département
# A town this large, and this many times larger than those of the whole name, may be meant by the beginning of its name.
_LARGE, _OUTDOES = 10_000, 5
_LEAST_LIKENESS = 78  # of 100

_SHORT = {"ste": "sainte", "sts": "saints", "stes": "saintes", "mt": "mont", "nd": "notre dame", "ss": "sous"}
_ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6, "vii": 7, "viii": 8, "ix": 9, "x": 10,
          "xi": 11, "xii": 12, "xiii": 13, "xiv": 14, "xv": 15, "xvi": 16, "xvii": 17, "xviii": 18, "xix": 19,
          "xx": 20}  # fmt: skip
_ARRONDISSEMENT = re.compile(
    r"(paris|lyon|marseille) (?:0?(\d{1,2})|([ivx]{1,5})) ?(?:er|ere|e|eme|ieme|nd|nde)?"
    r"(?: arr| arrdt| arrondissement)?"
)
_POSTCODE = re.compile(r"(?<!\d)(\d{5})(?!\d)")
_LAST_CODE = re.compile(r"^(.*\D)\s+(\d{1,3}|2[ab])$", re.IGNORECASE)


@dataclass(frozen=True)
class Found:
    """One commune, and a word of doubt where others may be meant."""

    commune: Commune
    doubt: str | None = None


class NoSuchPlace(Exception):
    """No commune has the name; `close` are names like it."""

    def __init__(self, close: Sequence[str], why: str | None = None) -> None:
        self.close, self.why = close, why
        super().__init__(why or "no such place")


class SeveralPlaces(Exception):
    """Several communes have the name and none is far larger; the largest are named first."""

    def __init__(self, choices: Sequence[Commune], count: int) -> None:
        self.choices, self.count = choices, count
        super().__init__("several places")


@dataclass(frozen=True)
class _Asked:
    """A text taken apart."""

    key: str
    departments: frozenset[str] | None = None
    postcode: str | None = None


def find_place(text: str) -> Found:
    """Find the commune meant; raises NoSuchPlace or SeveralPlaces."""
    known = gazetteer()
    asked = _read(known, text)
    if not asked.key and not asked.postcode:
        raise NoSuchPlace([])
    if (row := _arrondissement(known, asked)) is not None:
        return Found(known.commune(row))
    if not asked.key and asked.postcode:
        return _at_postcode(known, asked.postcode)
    rows, is_whole = _candidates(known, asked)
    if not rows:
        raise NoSuchPlace(_alike(known, asked))
    found = _choose(known, rows, is_whole=is_whole)
    return Found(found.commune, found.doubt or _also(known, asked, found.commune))


def _read(known: Gazetteer, text: str) -> _Asked:
    """Take the département, the postal code and the name apart."""
    text = re.sub(r"\bcedex\b\s*\d*", " ", text.replace("’", "'").strip(), flags=re.IGNORECASE)
    text = re.sub(r"\s*(?:,\s*france|\(\s*france\s*\))$", "", text, flags=re.IGNORECASE)
    postcode = None
    if match := _POSTCODE.search(text):
        postcode = match[1]
        text = f"{text[: match.start()]} {text[match.end() :]}".strip(" ,()-")
    named = re.fullmatch(r"(.+?)\s*(?:\(([^()]*)\)|,([^,]*))", text)
    if named and (said := (named[2] or named[3] or "").strip()):
        departments = departments_by_name().get(plain(said))
        if departments is None:
            raise NoSuchPlace([], f"“{said[:40]}” is no département")
        return _Asked(_expand(named[1]), departments, postcode)
    key = _expand(text)
    if _arrondissement(known, _Asked(key)) is not None:
        return _Asked(key, None, postcode)
    if (coded := _LAST_CODE.match(text)) and (departments := departments_by_name().get(plain(coded[2]))):
        return _Asked(_expand(coded[1]), departments, postcode)
    # Villeneuve Lot is Villeneuve-sur-Lot, not a Villeneuve in the Lot.
    if not known.named(key) and not known.named_loosely(key):
        words = key.split()
        for split in range(1, len(words)):
            if departments := departments_by_name().get(" ".join(words[split:])):
                rest = words[:split]
                while rest and rest[-1] in ("en", "dans", "a", "de", "du"):  # Bourg en Gironde
                    rest.pop()
                if rest:
                    return _Asked(" ".join(rest), departments, postcode)
    return _Asked(key, None, postcode)


def _expand(text: str) -> str:
    """The name as it is compared, with short words written out."""
    text = re.sub(r"\bs\s*/\s*s\b|\bs/s(?=/|\s|$)", " sous ", text, flags=re.IGNORECASE)
    words = plain(re.sub(r"\bs\s*/", " sur ", text, flags=re.IGNORECASE)).split()
    key = " ".join(_SHORT.get(word, word) for word in words)
    key = re.sub(r"(?<=\S) s s (?=\S)", " sous ", key)
    return re.sub(r"(?<=\S) s (?=\S)", " sur ", key)


def _arrondissement(known: Gazetteer, asked: _Asked) -> int | None:
    """An arrondissement by its number (Paris 15, Lyon 3e, Marseille 1er) or by its own postal code."""
    if match := _ARRONDISSEMENT.fullmatch(asked.key):
        number = int(match[2]) if match[2] else _ROMAN.get(match[3], 0)
        for row in known.named(f"{match[1]} {number}{'er' if number == 1 else 'e'} arrondissement"):
            return row
    if asked.postcode and asked.key in ("", "paris", "lyon", "marseille"):
        return next((row for row in known.at_postcode(asked.postcode) if known.kind(row) == "arrondissement"), None)
    return None


def _at_postcode(known: Gazetteer, postcode: str) -> Found:
    """The largest commune of a postal code, with the others named."""
    rows = _sorted(known, known.at_postcode(postcode))
    if not rows:
        raise NoSuchPlace([], f"no commune has the postal code {postcode}")
    first = known.commune(rows[0])
    if len(rows) == 1:
        return Found(first)
    return Found(first, f"{postcode} is the postal code of {len(rows)} communes; {first} is the largest")


def _candidates(known: Gazetteer, asked: _Asked) -> tuple[list[int], bool]:
    """Rows that may be meant, and whether the text is their whole name."""
    key = asked.key
    bare = without_article(key)
    exact = _within(known, known.named(key), asked)
    if exact:
        most = max(known.population(row) for row in exact)
        larger = [
            row for row in _within(known, known.beginning(f"{key} "), asked)
            if known.population(row) >= max(_LARGE, _OUTDOES * most) and known.kind(row) != "arrondissement"
        ]  # fmt: skip
        return [*exact, *larger], not larger
    if bare == key and (rows := _within(known, known.named_without_article(key), asked)):
        return rows, True
    if rows := _within(known, known.beginning(f"{key} "), asked):
        return rows, False
    if bare != key and (rows := _within(known, known.named(bare), asked)):
        return rows, False
    if rows := _within(known, known.named_loosely(key), asked):
        return rows, False
    if len(key) > 3:
        return _within(known, known.holding(key), asked), False
    return [], False


def _within(known: Gazetteer, rows: Iterable[int], asked: _Asked) -> list[int]:
    """Rows in the département or of the postal code asked for; communes of today before those that were joined."""
    rows = list(dict.fromkeys(rows))
    if asked.postcode:
        of_code = set(known.at_postcode(asked.postcode))
        department = insee_department(asked.postcode)
        rows = [row for row in rows if row in of_code] or [
            row for row in rows if _is_in(known.code(row), frozenset({department}), asked.postcode)
        ]
    if asked.departments:
        rows = [row for row in rows if _is_in(known.code(row), asked.departments)]
    return [row for row in rows if known.kind(row) != "former"] or rows


def _is_in(code: str, departments: frozenset[str], postcode: str | None = None) -> bool:
    if postcode and postcode.startswith("20"):  # Corsica's postal codes
        return code.startswith(("2A", "2B"))
    return insee_department(code) in departments


def _choose(known: Gazetteer, rows: Sequence[int], *, is_whole: bool) -> Found:
    """The one commune, or the one that is far larger than the others, with a word of doubt."""
    rows = _sorted(known, rows)
    first = known.commune(rows[0])
    if len(rows) == 1:
        return Found(first, None if is_whole else f"taken as {first}")
    second = known.population(rows[1])
    if known.population(rows[0]) < _DOMINATES * max(second, 1):
        raise SeveralPlaces([known.commune(row) for row in rows[:_MOST_CHOICES]], len(rows))
    others = [str(known.commune(row)) for row in rows[1:4]]
    more = f" and {len(rows) - 4} more" if len(rows) > 4 else ""
    return Found(first, f"taken as {first}, the far largest; others: {', '.join(others)}{more}")


def _also(known: Gazetteer, asked: _Asked, commune: Commune) -> str | None:
    """Much larger towns whose name begins so, and what bore the name before it was joined to another commune."""
    larger = [
        row
        for row in _within(known, known.beginning(f"{asked.key} "), asked)
        if known.population(row) >= _OUTDOES * max(commune.population, 1) and known.kind(row) != "arrondissement"
    ]
    joined = [
        row
        for row in known.named(asked.key)
        if known.kind(row) == "former" and insee_department(known.code(row)) != commune.insee_department
    ]
    if commune.kind == "arrondissement" or asked.departments or asked.postcode or not (larger or joined):
        return None
    others = [str(known.commune(row)) for row in [*_sorted(known, larger), *joined][:3]]
    return f"taken as {commune}; others: {', '.join(others)}"


def _sorted(known: Gazetteer, rows: Iterable[int]) -> list[int]:
    return sorted(rows, key=lambda row: (-known.population(row), known.code(row)))


def _alike(known: Gazetteer, asked: _Asked) -> list[str]:
    """Names that are written nearly so."""
    hits = process.extract(asked.key, known.names(), scorer=fuzz.ratio, limit=20, score_cutoff=_LEAST_LIKENESS)
    rows = sorted(((score, known.population(row), row) for _, score, row in hits), reverse=True)
    kept = _within(known, [row for _, _, row in rows], asked) or [row for _, _, row in rows]
    return [str(known.commune(row)) for row in kept[:3]]

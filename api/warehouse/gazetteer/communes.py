"""Every French commune with its town hall's place: read from communes.csv at the first question, 37,000 rows.

docs/decisions/0017-places.md says where the file comes from; tests/make_communes.py writes it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from ingestion.departments import all_departments, fold, resolve
from ingestion.errors import UnknownDepartment

_ARTICLES = ("le ", "la ", "les ", "l ")
# Words that people leave out, write short or take for one another.
_SMALL = frozenset(
    ["a", "au", "aux", "d", "de", "des", "du", "en", "et", "l", "la", "le", "les", "lez", "s", "ss", "sous", "sur"]
)


@dataclass(frozen=True)
class Commune:
    """One commune, arrondissement of a city, or commune that became part of another."""

    code: str  # INSEE's
    name: str
    kind: str  # `arrondissement`, `former`, or empty
    population: int
    latitude: float
    longitude: float
    altitude_m: float | None
    postcodes: tuple[str, ...]

    @property
    def insee_department(self) -> str:
        return insee_department(self.code)

    @property
    def department_code(self) -> str | None:
        """As Météo-France numbers it; None where it has no stations."""
        try:
            return resolve(self.insee_department).code
        except UnknownDepartment:
            return None

    def __str__(self) -> str:
        return f"{self.name} ({self.insee_department})"


def insee_department(code: str) -> str:
    """The département that a commune's or a postal code begins with."""
    return code[:3] if code.startswith(("97", "98")) else code[:2]


def plain(text: str) -> str:
    """`fold`, with two letters for a ligature."""
    return fold(text.replace("œ", "oe").replace("Œ", "oe").replace("æ", "ae"))


def _plain_all(names: pa.ChunkedArray) -> list[str]:
    """`plain` of all names at once, 20 times as fast. No official name shortens Saint."""
    text = pc.replace_substring(pc.replace_substring(pc.utf8_lower(names), "œ", "oe"), "æ", "ae")
    letters = pc.replace_substring_regex(pc.utf8_normalize(text, form="NFKD"), r"[\x{0300}-\x{036f}]", "")
    keys: list[str] = pc.utf8_trim(pc.replace_substring_regex(letters, "[^a-z0-9]+", " "), " ").to_pylist()
    return keys


def without_article(key: str) -> str:
    """The name without the article that it begins with."""
    return next((key[len(article) :] for article in _ARTICLES if key.startswith(article)), key)


def squeezed(key: str) -> str:
    """What is left of a name without its small words and blanks."""
    return "".join(word for word in key.split() if word not in _SMALL)


class Gazetteer:
    """All communes, and the ways to find them. Positions are rows of the file."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.keys = _plain_all(table.column("name"))
        self.populations: list[int] = table.column("population").to_pylist()
        self._kinds: list[str] = table.column("kind").to_pylist()
        self.codes: list[str] = table.column("code").to_pylist()

    def commune(self, row: int) -> Commune:
        values = self._table.slice(row, 1).to_pylist()[0]
        return Commune(**values | {"postcodes": tuple(values["postcodes"].split())})

    def is_former(self, row: int) -> bool:
        return self._kinds[row] == "former"

    def is_arrondissement(self, row: int) -> bool:
        return self._kinds[row] == "arrondissement"

    @cached_property
    def by_key(self) -> Mapping[str, Sequence[int]]:
        found: dict[str, list[int]] = {}
        for row, key in enumerate(self.keys):
            found.setdefault(key, []).append(row)
        return found

    @cached_property
    def by_name_without_article(self) -> Mapping[str, Sequence[int]]:
        found = defaultdict(list)
        for row, key in enumerate(self.keys):
            if key.startswith(_ARTICLES):
                found[without_article(key)].append(row)
        return found

    @cached_property
    def by_squeezed(self) -> Mapping[str, Sequence[int]]:
        found = defaultdict(list)
        for row, key in enumerate(self.keys):
            found[squeezed(key)].append(row)
        return found

    @cached_property
    def sorted_keys(self) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
        """Names with their rows in order, and the same without their articles: to find by the beginning."""
        without = ((name, row) for name, rows in self.by_name_without_article.items() for row in rows)
        return sorted((key, row) for row, key in enumerate(self.keys)), sorted(without)

    @cached_property
    def by_postcode(self) -> Mapping[str, Sequence[int]]:
        found = defaultdict(list)
        for row, codes in enumerate(self._table.column("postcodes").to_pylist()):
            for code in codes.split():
                found[code].append(row)
        return found


@lru_cache(maxsize=1)
def gazetteer() -> Gazetteer:
    """Read the file; once, at the first question."""
    types = {
        "code": pa.string(), "name": pa.string(), "kind": pa.string(), "population": pa.int64(),
        "latitude": pa.float64(), "longitude": pa.float64(), "altitude_m": pa.float64(), "postcodes": pa.string(),
    }  # fmt: skip
    with files("api.warehouse.gazetteer").joinpath("communes.csv").open("rb") as file:
        table = pyarrow.csv.read_csv(file, convert_options=pyarrow.csv.ConvertOptions(column_types=types))
    populations = table.column("population").fill_null(0)
    return Gazetteer(table.set_column(table.schema.get_field_index("population"), "population", populations))


@lru_cache(maxsize=1)
def departments_by_name() -> Mapping[str, frozenset[str]]:
    """INSEE's département codes by folded code, name or region."""
    found: dict[str, frozenset[str]] = {}
    regions: dict[str, set[str]] = defaultdict(set)
    for department in all_departments():
        code = {"985": "976"}.get(department.code, department.station_prefix)
        codes = frozenset({"2A", "2B"}) if code == "20" else frozenset({code})
        for name in (department.code, department.station_prefix, code, plain(department.name)):
            found[name] = found[without_article(name)] = codes
        regions[plain(department.region)] |= codes
    for region, several in regions.items():
        found.setdefault(region, frozenset(several))
    corsica = {"2a": "2A", "corse du sud": "2A", "2b": "2B", "haute corse": "2B"}
    islands = {"ile de la reunion": "974", "977": "977", "978": "978", "guyane francaise": "973", "polynesie": "987"}
    return found | {name: frozenset({code}) for name, code in (corsica | islands).items()}

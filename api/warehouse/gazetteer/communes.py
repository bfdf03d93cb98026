"""Every French commune with its town hall's place: read from communes.csv at the first question, 37,000 rows.

docs/decisions/0017-places.md says where the file comes from; tests/make_communes.py writes it.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
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


def without_article(key: str) -> str:
    """The name without the article that it begins with."""
    return next((key[len(article) :] for article in _ARTICLES if key.startswith(article)), key)


def squeezed(key: str) -> str:
    """What is left of a name without its small words and blanks."""
    return "".join(word for word in key.split() if word not in _SMALL)


class Gazetteer:
    """All communes as Arrow columns. A search reads a whole column, in less than a millisecond; rows are positions."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._names = _plain_all(table.column("name").combine_chunks())
        self._bare = pc.replace_substring_regex(self._names, f"^({'|'.join(_ARTICLES)})", "")
        small = "|".join(sorted(_SMALL))
        # Twice, because two small words share the blank between them.
        once = pc.replace_substring_regex(self._names, rf"(^| )({small})( |$)", " ")
        twice = pc.replace_substring_regex(once, rf"(^| )({small})( |$)", " ")
        self._squeezed = pc.replace_substring(twice, " ", "")
        self._postcodes = table.column("postcodes").combine_chunks()
        self._kinds = table.column("kind").combine_chunks()
        self._codes = table.column("code").combine_chunks()
        self._populations = table.column("population").combine_chunks()

    def __len__(self) -> int:
        return len(self._names)

    def commune(self, row: int) -> Commune:
        values = self._table.slice(row, 1).to_pylist()[0]
        return Commune(**values | {"postcodes": tuple(values["postcodes"].split())})

    def code(self, row: int) -> str:
        code: str = self._codes[row].as_py()
        return code

    def population(self, row: int) -> int:
        population: int = self._populations[row].as_py()
        return population

    def kind(self, row: int) -> str:
        kind: str = self._kinds[row].as_py()
        return kind

    def names(self) -> list[str]:
        """Every name, as names are compared."""
        names: list[str] = self._names.to_pylist()
        return names

    def named(self, key: str) -> list[int]:
        return _rows(pc.equal(self._names, key))

    def named_without_article(self, key: str) -> list[int]:
        """Those of which the name begins with an article, and is this without it."""
        return _rows(pc.and_(pc.equal(self._bare, key), pc.not_equal(self._names, key)))

    def named_loosely(self, key: str) -> list[int]:
        """Those that are the same without small words and blanks."""
        return _rows(pc.equal(self._squeezed, squeezed(key)))

    def beginning(self, start: str) -> list[int]:
        """Those whose name begins so, with or without its article."""
        return _rows(pc.or_(pc.starts_with(self._names, start), pc.starts_with(self._bare, start)))

    def holding(self, words: str) -> list[int]:
        """Those whose name has these words."""
        rows = _rows(pc.match_substring(self._names, words))
        return [row for row in rows if f" {words} " in f" {self._names[row].as_py()} "]

    def at_postcode(self, code: str) -> list[int]:
        return _rows(pc.match_substring(self._postcodes, code))


def _rows(mask: pa.Array) -> list[int]:
    rows: list[int] = pc.indices_nonzero(mask).to_pylist()
    return rows


def _plain_all(names: pa.StringArray) -> pa.StringArray:
    """`plain` of all names at once, 20 times as fast. No official name shortens Saint."""
    text = pc.replace_substring(pc.replace_substring(pc.utf8_lower(names), "œ", "oe"), "æ", "ae")
    letters = pc.replace_substring_regex(pc.utf8_normalize(text, form="NFKD"), r"[\x{0300}-\x{036f}]", "")
    return pc.utf8_trim(pc.replace_substring_regex(letters, "[^a-z0-9]+", " "), " ")


@lru_cache(maxsize=1)
def gazetteer() -> Gazetteer:
    """Read the file; once, at the first question."""
    types = {
        "code": pa.string(), "name": pa.string(), "kind": pa.string(), "population": pa.int64(),
        "latitude": pa.float64(), "longitude": pa.float64(), "altitude_m": pa.float64(), "postcodes": pa.string(),
    }  # fmt: skip
    with files("api.warehouse.gazetteer").joinpath("communes.csv").open("rb") as file:
        table = pyarrow.csv.read_csv(
            file,
            read_options=pyarrow.csv.ReadOptions(use_threads=False),  # each thread would keep memory of its own
            convert_options=pyarrow.csv.ConvertOptions(column_types=types),
        )
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

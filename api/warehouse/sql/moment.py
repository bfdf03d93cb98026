"""Which statements may give another answer at another moment, and so must not be kept."""

import re
from functools import lru_cache

import duckdb

_WORD = re.compile(r"\w+")
# DuckDB 1.5.6 declares the first three CONSISTENT, but they read the clock (`age` with one argument does).
# The others are keywords and no functions.
_READ_THE_CLOCK = ("age", "current_localtime", "current_localtimestamp", "current_time", "current_timestamp",
                   "localtime", "localtimestamp", "sample", "tablesample")  # fmt: skip


def may_change(sql: str) -> bool:
    """Whether a statement names anything that depends on the moment; a column of that name counts too."""
    return not _changing_words().isdisjoint(_WORD.findall(sql.lower()))


@lru_cache(maxsize=1)
def _changing_words() -> frozenset[str]:
    """Names of functions that DuckDB declares unsteady, and of macros that are defined by one."""
    with duckdb.connect() as connection:
        functions = connection.execute(
            "select lower(function_name), coalesce(stability, 'CONSISTENT'), lower(coalesce(macro_definition, ''))"
            " from duckdb_functions()"
        ).fetchall()
    words = {name for name, stability, _ in functions if stability != "CONSISTENT"} | set(_READ_THE_CLOCK)
    while macros := {
        name for name, _, macro in functions if name not in words and not words.isdisjoint(_WORD.findall(macro))
    }:
        words |= macros
    return frozenset(words)

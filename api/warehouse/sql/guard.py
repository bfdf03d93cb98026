"""Which SQL of callers may run: one SELECT over published tables, judged on DuckDB's own syntax tree.

The first of three layers. The connection is a sandbox that reads only its file. The process that runs the statement
has little memory, no secrets and a deadline. What passes here by mistake finds nothing there.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import duckdb

from api.warehouse.sql.functions import FUNCTIONS, TABLE_FUNCTIONS

LONGEST_SQL = 20_000  # characters; longer ones are attacks on the parser

_SOURCES = frozenset(
    ["BASE_TABLE", "TABLE_FUNCTION", "SUBQUERY", "JOIN", "EMPTY", "EXPRESSION_LIST", "PIVOT", "SHOW_REF", "COLUMN_DATA"]
)
_PLAIN_NAME = re.compile(r"\w{1,64}")
_CLOCK_KEYWORDS = frozenset(["current_time", "current_timestamp"])  # keywords, so no function has their name


class Refused(ValueError):
    """A statement that may not run, and why."""


def check(connection: duckdb.DuckDBPyConnection, sql: str, tables: frozenset[tuple[str, str]]) -> None:
    """Raise Refused unless `sql` is one SELECT over `tables`."""
    if len(sql) > LONGEST_SQL:
        raise Refused(f"the statement has {len(sql):,} characters; at most {LONGEST_SQL:,} are read")
    if "\0" in sql:
        raise Refused("the statement holds a null character")
    tree = _parse(connection, sql)
    for node, names in _walk(tree):
        _check_source(node, tables, names)
        _check_function(node)


def _parse(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    statements = connection.extract_statements(sql)
    if not statements:
        raise Refused("there is no statement")
    if len(statements) > 1:
        kinds = ", ".join(statement.type.name for statement in statements[:5])
        raise Refused(f"there are {len(statements)} statements ({kinds}); one is taken (PIVOT counts as two)")
    kind = statements[0].type.name
    if kind != "SELECT":
        raise Refused(f"{kind} is not allowed: only SELECT, WITH, VALUES, DESCRIBE and SUMMARIZE are")
    row = connection.execute("select json_serialize_sql(?)", [sql]).fetchone()
    try:
        tree = json.loads(row[0]) if row else {"error": True}
    except RecursionError:
        raise Refused("the statement is nested too deeply") from None
    if tree.get("error"):
        raise Refused(f"only SELECT, WITH, VALUES, DESCRIBE and SUMMARIZE are allowed ({tree.get('error_message')})")
    return tree["statements"]


def _walk(tree: Any) -> Iterator[tuple[dict[str, Any], frozenset[str]]]:
    """Give each node with the WITH names that are in scope there.

    A WITH query sees those before it, and itself only in the right half of a recursive one. Where a name is not in
    scope, DuckDB takes it for a table or view of its catalogue.
    """
    waiting: list[tuple[Any, frozenset[str]]] = [(tree, frozenset())]
    while waiting:
        part, names = waiting.pop()
        if isinstance(part, list):
            waiting.extend((item, names) for item in part)
        if not isinstance(part, dict):
            continue
        yield part, names
        for entry in part.get("cte_map", {}).get("map", ()):
            waiting.append((entry["value"], names))
            names |= {_checked_name(entry["key"])}
        for key, value in part.items():
            if key != "cte_map":
                is_recursion = key == "right" and part.get("type") == "RECURSIVE_CTE_NODE"
                waiting.append((value, names | {part["cte_name"].lower()} if is_recursion else names))


def _checked_name(name: str) -> str:
    if not _PLAIN_NAME.fullmatch(name):
        raise Refused(f"“{name[:60]}” is no name for a WITH query: use letters, digits and underscores")
    return name.lower()


def _check_source(node: dict[str, Any], tables: frozenset[tuple[str, str]], names: frozenset[str]) -> None:
    kind = node.get("type")
    # Only sources in FROM have both fields. A kind that a later DuckDB adds is refused until it is listed.
    if "alias" in node and "sample" in node and kind not in _SOURCES:
        raise Refused(f"{kind} is no source of rows that may be read here")
    if kind == "BASE_TABLE":
        schema, table = node.get("schema_name", "").lower(), node["table_name"].lower()
        if node.get("catalog_name", "").lower() not in ("", "warehouse"):
            raise Refused(f"“{node['catalog_name'][:60]}” is another database; only the warehouse may be read")
        if schema in ("", "recurring") and table in names:
            return
        # A view's definition names the data directory.
        if (schema == "information_schema" and table != "views") or (schema, table) in tables:
            return
        name = f"{schema}.{table}" if schema else table
        hint = "" if schema else " (give its schema too, such as marts.hourly_observations)"
        raise Refused(f"“{name[:80]}” is not a published table{hint}")
    if kind == "TABLE_FUNCTION":
        name = node.get("function", {}).get("function_name", "").lower()
        if name not in TABLE_FUNCTIONS:
            raise Refused(f"the table function {name[:60]} is not allowed")
    if kind == "SHOW_REF" and node.get("show_type") not in ("DESCRIBE", "SUMMARY"):
        raise Refused("SHOW is not allowed: DESCRIBE a table, or see /warehouse/tables")


def _check_function(node: dict[str, Any]) -> None:
    name = node.get("function_name")
    if isinstance(name, str) and name.lower() not in FUNCTIONS | TABLE_FUNCTIONS:
        raise Refused(f"the function {name[:60]} is not allowed")
    bare = _bare_name(node)
    # DuckDB calls functions such as current_setting without parentheses too.
    if bare.startswith("current_") and bare not in FUNCTIONS | _CLOCK_KEYWORDS:
        raise Refused(f"{bare[:60]} is not allowed")


def _bare_name(node: dict[str, Any]) -> str:
    names = node.get("column_names")
    return str(names[0]).lower() if isinstance(names, list) and len(names) == 1 else ""

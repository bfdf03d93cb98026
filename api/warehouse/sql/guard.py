"""Which SQL of callers may run: one SELECT over published tables, judged on DuckDB's own syntax tree.

The first of three layers: the connection is closed to everything but its file, and the process that runs the
statement has little memory, no secrets and a deadline. What passes here by mistake finds nothing there.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import duckdb

LONGEST_SQL = 20_000  # characters; more is no question but an attempt on the parser

_TABLE_FUNCTIONS = frozenset(
    [
        "range",
        "generate_series",
        "unnest",
        "json_each",
        "json_tree",
        "repeat",
        "icu_calendar_names",
        "pg_timezone_names",
    ]
)
_REFUSED_FUNCTIONS = re.compile(
    r"__.*|pg_.*|inet_.*|has_.*_privilege|read_.*|.*_scan|.*secret.*|duckdb_.*|pragma_.*|json_.*_serialized_sql"
    r"|json_(de)?serialize_(sql|plan)|current_setting|current_query(_id)?|current_connection_id|current_transaction_id"
    r"|txid_current|getenv|getvariable|nextval|currval|setseed|write_log|parse_duckdb_log_message|sleep_ms"
    r"|query|query_table|glob|sniff_csv|in_search_path|version|get_block_size|.*_description"
)
_SOURCES = frozenset(
    ["BASE_TABLE", "TABLE_FUNCTION", "SUBQUERY", "JOIN", "EMPTY", "EXPRESSION_LIST", "PIVOT", "SHOW_REF", "COLUMN_DATA"]
)
_PLAIN_NAME = re.compile(r"\w{1,64}")
_MOMENT = frozenset(
    ["current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "current_localtime"]
)


class Refused(ValueError):
    """A statement that may not run; the message says why."""


def check(connection: duckdb.DuckDBPyConnection, sql: str, tables: frozenset[tuple[str, str]]) -> bool:
    """Raise Refused unless `sql` is one SELECT over `tables`; return whether it gives the same rows each time."""
    if len(sql) > LONGEST_SQL:
        raise Refused(f"the statement has {len(sql):,} characters; at most {LONGEST_SQL:,} are read")
    if "\0" in sql:
        raise Refused("the statement holds a null character")
    tree = _parse(connection, sql)
    nodes = list(_walk(tree))
    named = {entry["key"].lower() for node in nodes for entry in node.get("map", ()) if "key" in entry}
    if odd := next((name for name in named if not _PLAIN_NAME.fullmatch(name)), None):
        raise Refused(f"“{odd[:60]}” is no name for a WITH query: use letters, digits and underscores")
    for node in nodes:
        _check_source(node, tables, named)
        _check_function(node)
    return not any(_depends_on_the_moment(connection, node) for node in nodes)


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


def _walk(tree: Any) -> Iterator[dict[str, Any]]:
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _check_source(node: dict[str, Any], tables: frozenset[tuple[str, str]], named: set[str]) -> None:
    kind = node.get("type")
    # Only what stands in FROM has both; a kind that DuckDB may add one day is refused until it is looked at.
    if "alias" in node and "sample" in node and kind not in _SOURCES:
        raise Refused(f"{kind} is no source of rows that may be read here")
    if kind == "BASE_TABLE":
        schema, table = node.get("schema_name", "").lower(), node["table_name"].lower()
        if node.get("catalog_name", "").lower() not in ("", "warehouse"):
            raise Refused(f"“{node['catalog_name'][:60]}” is another database; only the warehouse may be read")
        if schema in ("", "recurring") and table in named:
            return
        # How a view is defined names the data directory.
        if (schema == "information_schema" and table != "views") or (schema, table) in tables:
            return
        name = f"{schema}.{table}" if schema else table
        hint = "" if schema else " (give its schema too, such as marts.hourly_observations)"
        raise Refused(f"“{name[:80]}” is not a published table{hint}")
    if kind == "TABLE_FUNCTION":
        name = node.get("function", {}).get("function_name", "").lower()
        if name not in _TABLE_FUNCTIONS:
            raise Refused(f"the table function {name[:60]} is not allowed")
    if kind == "SHOW_REF" and node.get("show_type") not in ("DESCRIBE", "SUMMARY"):
        raise Refused("SHOW is not allowed: DESCRIBE a table, or see /warehouse/tables")


def _check_function(node: dict[str, Any]) -> None:
    name = node.get("function_name")
    if isinstance(name, str) and _REFUSED_FUNCTIONS.fullmatch(name.lower()):
        raise Refused(f"the function {name[:60]} is not allowed")
    names = node.get("column_names")
    if isinstance(names, list) and len(names) == 1 and str(names[0]).lower() in ("current_query", "current_setting"):
        raise Refused(f"{names[0]} is not allowed")


def _depends_on_the_moment(connection: duckdb.DuckDBPyConnection, node: dict[str, Any]) -> bool:
    if node.get("sample"):
        return True
    names = node.get("column_names")
    if isinstance(names, list) and len(names) == 1 and str(names[0]).lower() in _MOMENT:
        return True
    name = node.get("function_name")
    return isinstance(name, str) and name.lower() in _unsteady_functions(connection)


_UNSTEADY: set[str] = set()


def _unsteady_functions(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Functions whose value changes between two calls, as DuckDB itself declares them; macros over them as well."""
    if not _UNSTEADY:
        rows = connection.execute(
            "select function_name from duckdb_functions() where stability in ('VOLATILE', 'CONSISTENT_WITHIN_QUERY')"
        ).fetchall()
        _UNSTEADY.update(name for (name,) in rows)
        _UNSTEADY.add("ago")
    return _UNSTEADY

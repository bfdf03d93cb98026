"""`meta.builds`: one row per dbt build, with its newest load and each node's result."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from ingestion.load_log import DETAILS_KEPT, FORGOTTEN_AT_ONCE, forget_unchanged
from ingestion.paths import DataPaths
from ingestion.raw_store import connect
from orchestration.build.run_dbt import NodeResult, project_digest

_TABLE = """
create table if not exists meta.builds (
    build_id bigint not null,
    run_id varchar,
    built_at timestamptz not null,
    passed boolean not null,
    seconds double not null,
    last_load_id bigint not null,
    project_digest varchar not null,
    nodes json not null
);
"""
# The newest load that changed raw. A build includes every load up to it.
_LAST_LOAD = "select coalesce(max(load_id), 0) from meta.loads where rows_new + rows_changed + rows_left > 0"


@dataclass(frozen=True)
class Build:
    """One dbt build of the build file."""

    passed: bool
    last_load_id: int
    is_newest: bool  # whether no load changed raw since
    project_digest: str
    summary: dict[str, Any]


def begin_build(paths: DataPaths, run_id: str | None) -> tuple[int, bool]:
    """Record a new build as not passed, so that a killed build is never published.

    Return its number and whether it must be full: it is the first, or another version of the dbt project made
    the marts (or some of them, in a build that did not pass).
    """
    digest, now = project_digest(), datetime.now(UTC)
    with connect(paths.build_file) as connection:
        connection.execute(_TABLE)
        made_by = connection.execute(
            "select distinct project_digest from meta.builds"
            " where build_id >= (select max(build_id) from meta.builds where passed)"
        ).fetchall()
        forget_unchanged(connection, now)
        _forget_nodes(connection, now)
        row = connection.execute(
            f"""
            insert into meta.builds
            select (select coalesce(max(build_id), 0) + 1 from meta.builds), ?, ?, false, 0, ({_LAST_LOAD}), ?, '[]'
            returning build_id
            """,
            [run_id, now, digest],
        ).fetchone()
    return (int(row[0]) if row else 0), made_by != [(digest,)]


def finish_build(paths: DataPaths, build_id: int, nodes: Sequence[NodeResult], *, passed: bool, seconds: float) -> None:
    with connect(paths.build_file) as connection:
        connection.execute(
            "update meta.builds set passed = ?, seconds = ?, nodes = ? where build_id = ?",
            [passed, seconds, json.dumps([asdict(node) for node in nodes], ensure_ascii=False), build_id],
        )


def _forget_nodes(connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
    # Node results are most of the table's size after years of hourly builds. The build's row stays.
    until = now - DETAILS_KEPT
    old = "nodes::varchar <> '[]' and built_at < ? and build_id < (select max(build_id) from meta.builds)"
    if connection.execute(f"select true from meta.builds where {old} limit 1", [until - FORGOTTEN_AT_ONCE]).fetchone():
        connection.execute(f"update meta.builds set nodes = '[]' where {old}", [until])


def last_build(connection: duckdb.DuckDBPyConnection) -> Build | None:
    """Read the last build of the build file, passed or not."""
    found = connection.execute(
        "select count(*) from duckdb_tables() where schema_name = 'meta' and table_name = 'builds'"
    ).fetchone()
    if found == (0,):
        return None
    row = connection.execute(
        f"select passed, last_load_id, project_digest, seconds, nodes, last_load_id = ({_LAST_LOAD})"
        " from meta.builds order by build_id desc limit 1"
    ).fetchone()
    if row is None:
        return None
    nodes = json.loads(row[4])
    summary = {
        "seconds": round(row[3], 3),
        "by_status": dict(Counter(node["status"] for node in nodes)),
        "nodes": nodes,
    }
    return Build(passed=row[0], last_load_id=row[1], is_newest=row[5], project_digest=row[2], summary=summary)

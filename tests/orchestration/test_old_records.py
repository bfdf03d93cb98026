"""What years of hourly runs leave in `meta`: what brought nothing is forgotten, what the data stand on never."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from ingestion.paths import DataPaths
from ingestion.raw_store import open_build_file
from orchestration.build.build_log import begin_build

NOW = datetime.now(UTC)


@pytest.fixture
def meta(paths: DataPaths) -> Iterator[DataPaths]:
    """A warehouse of no observations, asked for two départements every tenth day of a year."""
    begin_first(paths)
    with open_build_file(paths, "demo") as connection:
        for number, days in enumerate(range(355, 0, -10), start=1):
            asked = NOW - timedelta(days=days)
            add_load(connection, 3 * number, "9", "loaded" if number % 6 == 1 else "unchanged", asked)
            if days > 200:  # given up since
                add_load(connection, 3 * number + 1, "31", "unchanged", asked)
            add_load(connection, 3 * number + 2, "9", "failed", asked)
            connection.execute(
                "insert into meta.builds values (?, null, ?, true, 1, ?, 'digest', ?)",
                [number + 1, asked, 3 * number, '[{"name": "stations"}]'],
            )
    return paths


def begin_first(paths: DataPaths) -> None:
    with open_build_file(paths, "demo"):
        pass
    begin_build(paths, None)


def add_load(connection: duckdb.DuckDBPyConnection, load_id: int, code: str, status: str, at: datetime) -> None:
    connection.execute(
        "insert into meta.loads (load_id, source, dataset, scope, department_code, status, payload, payload_digest,"
        " fetched_at, loaded_at, seconds) values (?, 'demo', 'paquet-horaire', ?, ?, ?, 'p', 'd', ?, ?, 0)",
        [load_id, code, code, status, at, at],
    )


def ask(paths: DataPaths, query: str) -> list[tuple]:
    with duckdb.connect(str(paths.build_file)) as connection:
        return connection.execute(query).fetchall()


def days_of(paths: DataPaths, condition: str) -> list[int]:
    return [
        round((NOW - at) / timedelta(days=1))
        for (at,) in ask(paths, f"select fetched_at from meta.loads where {condition} order by fetched_at")
    ]


def test_fetches_that_brought_nothing_are_forgotten_after_a_while_and_no_other(meta):
    begin_build(meta, None)
    assert days_of(meta, "status = 'loaded'") == [355, 295, 235, 175, 115, 55]
    assert len(days_of(meta, "status = 'failed'")) == 36
    assert days_of(meta, "status = 'unchanged' and department_code = '9'") == [85, 75, 65, 45, 35, 25, 15, 5]
    # It says until when Haute-Garonne was asked: its last days are final for that.
    assert days_of(meta, "department_code = '31'") == [205]


def test_nodes_of_old_builds_are_forgotten_and_the_builds_are_not(meta):
    begin_build(meta, None)
    kept = ask(meta, "select nodes::varchar <> '[]' from meta.builds where last_load_id > 0 order by built_at")
    assert kept == [(False,)] * 27 + [(True,)] * 9


def test_what_was_forgotten_is_not_written_anew_each_hour(meta):
    begin_build(meta, None)
    with duckdb.connect(str(meta.build_file)) as connection:
        connection.execute("update meta.loads set fetched_at = fetched_at - interval 20 day")
    begin_build(meta, None)
    assert days_of(meta, "status = 'unchanged' and department_code = '9'")[0] == 105


def test_the_newest_build_keeps_its_nodes_however_old_it_is(meta):
    with duckdb.connect(str(meta.build_file)) as connection:
        connection.execute("delete from meta.builds where build_id > 5")
    begin_build(meta, None)
    [(nodes,)] = ask(meta, "select nodes::varchar from meta.builds where build_id = 5")
    assert nodes != "[]"

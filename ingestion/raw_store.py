"""The build file's `raw` and `meta` schemas: what is in them, and opening the file for one writer."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from ingestion.departments import all_departments
from ingestion.errors import IngestionError, SourceMismatch, WarehouseNewer, WarehouseOlder
from ingestion.paths import DataPaths
from ingestion.source import RawTable
from ingestion.sources import RAW_TABLES

# Raise it by one when the tables below change: the next run then rebuilds the file from the landing zone.
SCHEMA_VERSION = 2

# Bytes of a build file up to which more threads cost more than they save: a seventh of a run's CPU time.
_SMALL = 64_000_000

# No primary key: an index over every hour ever seen would be held in memory and copied into each snapshot.
# merge.py is the only writer, under the writer's lock, and a dbt test proves the key on what is new.
_VERSIONED = """
    version integer not null,
    load_id bigint not null,
    first_seen_at timestamptz not null,
    version_seen_at timestamptz not null
"""


def _create(table: RawTable) -> str:
    hour = "observed_at timestamptz not null," if table.observed_at else ""
    columns = ", ".join(f'"{name}" varchar' for name in table.columns)
    left = "has_left boolean not null default false," if table.is_whole_list else ""
    return f"create table if not exists {table.name} ({hour} {columns}, {left} {_VERSIONED});"


# Made by the first run of this version too: it is no reason to rebuild a file.
REPAIRED_HOURS = """
create table if not exists meta.repaired_hours (
    hour timestamptz not null,
    departments varchar not null,
    answer varchar not null check (answer in ('repaired', 'gone', 'failed')),
    asked_at timestamptz not null,
    load_id bigint,
    rows_seen bigint not null default 0,
    error varchar,
    source varchar,
    station_id varchar
);
"""
# A table or column that is new, and empty until something fills it, is no reason to rebuild a file either.
_ADDED = f"""
{"".join(map(_create, RAW_TABLES.values()))}
{REPAIRED_HOURS}
alter table meta.repaired_hours add column if not exists source varchar;
alter table meta.repaired_hours add column if not exists station_id varchar;
"""
_TABLES = f"""
create schema if not exists raw;
create schema if not exists meta;
{"".join(map(_create, RAW_TABLES.values()))}
create table if not exists raw.departments (code varchar, name varchar, region varchar);
create table if not exists meta.warehouse (source varchar, schema_version integer, created_at timestamptz);
create table if not exists meta.loads (
    load_id bigint not null,
    run_id varchar,
    source varchar not null,
    dataset varchar not null,
    scope varchar not null,
    department_code varchar,
    status varchar not null check (status in ('loaded', 'unchanged', 'failed', 'held')),
    payload varchar not null,
    payload_digest varchar not null,
    payload_bytes bigint,
    api_version varchar,
    extra_columns varchar[],
    rows_seen bigint not null default 0,
    rows_new bigint not null default 0,
    rows_changed bigint not null default 0,
    rows_unchanged bigint not null default 0,
    rows_rejected bigint not null default 0,
    rows_left bigint not null default 0,
    fetched_at timestamptz not null,
    loaded_at timestamptz not null,
    seconds double not null,
    error varchar
);
create table if not exists meta.rejected_rows (
    load_id bigint not null, position bigint, reason varchar not null, row_text varchar
);
{REPAIRED_HOURS}
"""


@contextmanager
def open_build_file(paths: DataPaths, source: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the build file for writing, made when absent, and refuse the other source's warehouse.

    The caller holds the writer's lock. Raises SourceMismatch, WarehouseNewer or WarehouseOlder and leaves the file
    as it was.
    """
    paths.build_file.parent.mkdir(parents=True, exist_ok=True)
    with connect(paths.build_file) as connection:
        held = _warehouse_row(connection)
        if held is not None and held[0] != source:
            raise SourceMismatch(held[0], source, paths.root)
        _refuse_other_version(connection, paths)
        if held is None:
            _make_tables(connection, source)
        elif not _has_what_was_added(connection):
            connection.execute(_ADDED)
        yield connection


@contextmanager
def kept_open(paths: DataPaths) -> Iterator[None]:
    """Keep the build file open in this process, so that connections made meanwhile, dbt's too, share it.

    Each opening and closing takes 20 to 40 ms. The file must not be replaced meanwhile.
    """
    with connect(paths.build_file) as connection:
        if paths.build_file.stat().st_size < _SMALL:
            connection.execute("set threads = 1")
        yield


def connect(file: Path) -> duckdb.DuckDBPyConnection:
    """Connect in UTC, whatever the machine's time zone: timestamps are compared and cut in UTC only."""
    # Absolute, as dbt says it too: DuckDB shares what one process has open by the name it was opened under.
    connection = duckdb.connect(str(file.absolute()))
    connection.execute("set TimeZone = 'UTC'")
    return connection


def literal(text: object) -> str:
    """Write text, or a path, as SQL where DuckDB binds no parameter: attach, copy, views."""
    return "'" + str(text).replace("'", "''") + "'"


def _make_tables(connection: duckdb.DuckDBPyConnection, source: str) -> None:
    # All or nothing: where the warehouse's row is, every table is.
    connection.begin()
    connection.execute(_TABLES)
    connection.execute("insert into meta.warehouse values (?, ?, ?)", [source, SCHEMA_VERSION, datetime.now(UTC)])
    rows = [[department.code, department.name, department.region] for department in all_departments()]
    connection.executemany("insert into raw.departments values (?, ?, ?)", rows)
    connection.commit()


def _has_what_was_added(connection: duckdb.DuckDBPyConnection) -> bool:
    try:
        connection.execute("select station_id from meta.repaired_hours limit 0")
    except duckdb.Error:
        return False
    return True


def _schema_version(connection: duckdb.DuckDBPyConnection) -> int | None:
    # 0 from before there were versions, None for an empty file.
    if (held := _warehouse_row(connection)) is not None:
        return held[1]
    tables = connection.execute("select count(*) from duckdb_tables() where schema_name = 'raw'").fetchone()
    return None if tables == (0,) else 0


def check_version(paths: DataPaths) -> None:
    """Raise WarehouseNewer or WarehouseOlder unless the build file is of this Girouette's shape, or absent."""
    if not paths.build_file.exists():
        return
    with connect(paths.build_file) as connection:
        _refuse_other_version(connection, paths)
        if _warehouse_row(connection) and not _has_what_was_added(connection):
            connection.execute(_ADDED)


def _warehouse_row(connection: duckdb.DuckDBPyConnection) -> tuple[str, int] | None:
    found = connection.execute(
        "select count(*) from duckdb_tables() where schema_name = 'meta' and table_name = 'warehouse'"
    ).fetchone()
    if found == (0,):
        return None
    return connection.execute("select source, schema_version from meta.warehouse").fetchone()


def held_source(paths: DataPaths) -> str | None:
    """Return the source whose rows the build file holds; None where there is none, or it cannot be read."""
    if not paths.build_file.exists():
        return None
    try:
        with connect(paths.build_file) as connection:
            held = _warehouse_row(connection)
    except (duckdb.Error, IngestionError):
        return None
    return held[0] if held else None


def _refuse_other_version(connection: duckdb.DuckDBPyConnection, paths: DataPaths) -> None:
    held = _schema_version(connection)
    if held is not None and held < SCHEMA_VERSION:
        raise WarehouseOlder(held, SCHEMA_VERSION, paths.root)
    if held is not None and held > SCHEMA_VERSION:
        raise WarehouseNewer(held, SCHEMA_VERSION, paths.root)

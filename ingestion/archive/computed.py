"""Tables computed from a département's files, in a folder that is named by what they were made of."""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence

import duckdb

from ingestion.archive.ledger import ArchiveFile
from ingestion.archive.received_file import MEMORY
from ingestion.durable import make_directory, sync
from ingestion.paths import DataPaths
from ingestion.raw_store import literal


def write_tables(
    paths: DataPaths,
    under: str,
    files: Sequence[ArchiveFile],
    version: int,
    tables: Sequence[str],
    compute: Callable[[duckdb.DuckDBPyConnection], None],
    memory: str = MEMORY,
) -> str:
    """Write the tables that `compute` makes, unless they are there; return the folder, relative to the data directory.

    `under` is their place in the archive. Equal files and an equal `version` of the rules give the same folder.
    """
    told = [version, sorted((f.period, f.digest, f.last_modified) for f in files)]
    digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
    folder = paths.archive / under / digest
    name = folder.relative_to(paths.root).as_posix()
    if all((folder / f"{table}.parquet").exists() for table in tables):
        return name
    partial = folder.with_name(f".{digest}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a killed load
    make_directory(folder.parent)
    partial.mkdir()
    with duckdb.connect(config={"memory_limit": memory, "temp_directory": str(partial / "spill")}) as connection:
        compute(connection)
        for table in tables:
            target = partial / f"{table}.parquet"
            connection.execute(
                f"copy (from {table} order by all) to {literal(target)}"
                " (format parquet, compression zstd, row_group_size 20_480)"
            )
            sync(target)
            target.chmod(0o444)
    shutil.rmtree(partial / "spill", ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)  # incomplete
    partial.rename(folder)
    sync(folder.parent)
    return name


def empty_tables(tables: Sequence[str], compute: Callable[[duckdb.DuckDBPyConnection], None]) -> dict[str, str]:
    """SELECT no row of each table that `compute` makes, where there is no file to make them of."""
    selects: dict[str, str] = {}
    with duckdb.connect() as connection:
        compute(connection)
        for table in tables:
            columns = connection.execute(f"describe {table}").fetchall()
            selects[table] = f"select {', '.join(f'null::{kind} as {name}' for name, kind, *_ in columns)} where false"
    return selects


def parquet_in(paths: DataPaths) -> Callable[..., str]:
    """Write the SQL that reads files of the archive, named relative to the data directory."""

    def parquet(names: Sequence[str], *, with_name: bool = False) -> str:
        listed = ", ".join(literal(paths.root / name) for name in names)
        return f"read_parquet([{listed}]{', filename = true' if with_name else ''})"

    return parquet

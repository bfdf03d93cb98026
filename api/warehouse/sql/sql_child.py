"""`python -m api.warehouse.sql.sql_child FD`: runs callers' SQL in a process that may be killed at any moment.

DuckDB's memory limit does not count a query's strings, and a single long function call cannot be interrupted:
`repeat('x', 2000000000)` took 4 GB and 10 s under limits of 256 MB and 2 s. So the operating system bounds the memory,
the parent kills at the deadline, and the environment is empty: there is no secret to read.
"""

import contextlib
import json
import os
import resource
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from api.warehouse.open.sandbox import connect_sandbox, open_cursor
from api.warehouse.sql.guard import Refused, check
from ingestion.closed_months import is_recent_name

_BATCH_ROWS = 2_048
_WATCH_SECONDS = 1.0
# Types that Arrow, JSON or callers' programs cannot hold become text.
_AS_TEXT = ("INTERVAL", "BIT", "BIGNUM", "TIME WITH TIME ZONE", "UNION", "UHUGEINT", "GEOMETRY", "VARIANT", "TIMETZ")


class Session:
    """One open snapshot."""

    def __init__(self, memory_mb: int, threads: int) -> None:
        self.memory_mb, self.threads = memory_mb, threads
        self._file: str | None = None
        self._closed_months: Path | None = None
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._tables: frozenset[tuple[str, str]] = frozenset()

    def open(self, file: str, closed_months: str | None) -> duckdb.DuckDBPyConnection:
        """Open a snapshot, unless it is already open."""
        if self._connection is None or file != self._file:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            self._closed_months = Path(closed_months) if closed_months else None
            self._connection = connect_sandbox(
                Path(file), threads=self.threads, memory_mb=self.memory_mb, closed_months=self._closed_months
            )
            rows = self._connection.execute(
                "select schema_name, table_name from duckdb_tables() where not internal"
                " union all select schema_name, view_name from duckdb_views() where not internal"
            ).fetchall()
            self._tables = frozenset(
                (schema.lower(), name.lower()) for schema, name in rows if not is_recent_name(name)
            )
            self._file = file
        return self._connection

    def run(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Check and run one statement. Returns the answer's head, and its rows as an Arrow stream."""
        started = time.perf_counter()
        connection = self.open(request["file"], request["closed_months"])
        check(connection, request["sql"], self._tables)
        with contextlib.closing(open_cursor(connection, self._closed_months)) as cursor:
            cursor.execute(request["sql"], request["params"])
            description = cursor.description or ()
            names = _unique([str(column[0]) for column in description])
            columns = [{"name": n, "type": str(column[1])} for n, column in zip(names, description, strict=True)]
            if any(column["type"].startswith(_AS_TEXT) for column in columns):
                cursor.execute(_with_text(request["sql"], columns), request["params"])
            table, is_truncated = _read(cursor, request["max_rows"], request["max_bytes"])
            table = table.rename_columns(names)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        head = {
            "columns": columns,
            "truncated": is_truncated,
            "seconds": round(time.perf_counter() - started, 4),
        }
        return head, sink.getvalue().to_pybytes()


def _unique(names: list[str]) -> list[str]:
    """Rename columns of the same name, which SQL allows and the formats do not: `a`, `a_1`."""
    taken: dict[str, None] = {}
    for name in names:
        free = name
        turn = 0
        while free in taken or (turn and free in names):
            turn += 1
            free = f"{name}_{turn}"
        taken[free] = None
    return list(taken)


def _with_text(sql: str, columns: list[dict[str, str]]) -> str:
    casts = [
        f"cast(c{position} as varchar)" if column["type"].startswith(_AS_TEXT) else f"c{position}"
        for position, column in enumerate(columns)
    ]
    aliases = ", ".join(f"c{position}" for position in range(len(columns)))
    return f"select {', '.join(casts)} from (\n{sql.rstrip().rstrip(';')}\n) as answer({aliases})"


def _read(cursor: duckdb.DuckDBPyConnection, max_rows: int, max_bytes: int) -> tuple[pa.Table, bool]:
    """Read batch by batch until a limit is reached."""
    reader = cursor.to_arrow_reader(_BATCH_ROWS)
    batches, rows, size = [], 0, 0
    for batch in reader:
        batches.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if rows > max_rows or size > max_bytes:
            break
    if size > max_bytes:
        raise Refused(f"the result is larger than {max_bytes // 2**20} MB: select fewer columns or rows")
    table = pa.Table.from_batches(batches, schema=reader.schema)
    return table.slice(0, max_rows), rows > max_rows


def _bound_memory(memory_mb: int) -> None:
    """Limit this process's memory and forbid writing files; the parent also kills it above `memory_mb` in use.

    The system counts reserved memory, which was measured at 450 MB above what is used. The limit leaves room for that.
    """
    status = Path("/proc/self/status")
    if status.exists():  # elsewhere only DuckDB's limit and the deadline apply
        data = next(line for line in status.read_text().splitlines() if line.startswith("VmData"))
        most = int(data.split()[1]) * 1024 + (2 * memory_mb + 512) * 2**20
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _end_with(parent: int) -> None:
    """End when the service has ended: a statement would go on without anybody to stop it."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def main() -> None:
    """Answer requests until the parent closes the pipe."""
    _end_with(os.getppid())
    pipe: Connection[Any, Any] = Connection(int(sys.argv[1]))
    memory_mb, threads = int(sys.argv[2]), int(sys.argv[3])
    session = Session(memory_mb * 2 // 3, threads)
    _bound_memory(memory_mb)
    pipe.send_bytes(b"ready")
    while True:
        try:
            request = json.loads(pipe.recv_bytes())
        except EOFError:
            return
        body = b""
        try:
            head, body = session.run(request)
        except Refused as refusal:
            head = {"refused": str(refusal)}
        except (duckdb.OutOfMemoryException, MemoryError, pa.ArrowMemoryError):
            head = {"too_large": True}
        except (duckdb.IOException, duckdb.FatalException, duckdb.InternalException) as error:
            head = {"broken": str(error)}
        except (duckdb.Error, pa.ArrowException, RuntimeError, ValueError, OSError, OverflowError) as error:
            head = {"failed": str(error)}
        pipe.send_bytes(json.dumps(head).encode())
        pipe.send_bytes(body)


if __name__ == "__main__":
    main()

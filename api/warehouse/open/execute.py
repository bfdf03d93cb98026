"""Run one query within its limits and give its rows as an Arrow table."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa

from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import SnapshotDamaged, SnapshotOutdated, TooLarge, TooSlow
from api.warehouse.settings import WarehouseSettings

_BATCH_ROWS = 20_480  # ten of DuckDB's vectors
_TICK_SECONDS = 0.05


class Deadlines:
    """One thread that interrupts queries whose time is up; a timer for each would start a thread for each."""

    def __init__(self) -> None:
        self._running: dict[duckdb.DuckDBPyConnection, float] = {}
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._watch, name="query-deadlines", daemon=True)
        self._thread.start()

    @contextmanager
    def limit(self, cursor: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
        """Interrupt the cursor when the time is up, again and again until it has stopped."""
        with self._changed:
            self._running[cursor] = time.monotonic() + seconds
            self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._running.pop(cursor, None)

    def close(self) -> None:
        """Stop the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()

    def _watch(self) -> None:
        with self._changed:
            while not self._is_closed:
                now = time.monotonic()
                for cursor, deadline in self._running.items():
                    if now >= deadline:
                        cursor.interrupt()
                self._changed.wait(_TICK_SECONDS if self._running else None)


class Executor:
    """Runs the queries of reads: our own SQL, callers' values bound."""

    def __init__(self, settings: WarehouseSettings) -> None:
        self.settings = settings
        self.deadlines = Deadlines()

    def close(self) -> None:
        """Stop the deadlines' thread."""
        self.deadlines.close()

    def fetch(
        self, snapshot: OpenSnapshot, sql: str, params: Sequence[Any] = (), seconds: float | None = None
    ) -> pa.Table:
        """Run a query to its end."""
        with self.batches(snapshot, sql, params, seconds) as reader:
            return reader.read_all()

    def fetch_dicts(self, snapshot: OpenSnapshot, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Run a query that gives a few rows, as dicts."""
        rows: list[dict[str, Any]] = self.fetch(snapshot, sql, params).to_pylist()
        return rows

    @contextmanager
    def batches(
        self, snapshot: OpenSnapshot, sql: str, params: Sequence[Any] = (), seconds: float | None = None
    ) -> Iterator[pa.RecordBatchReader]:
        """Run a query and give its batches as DuckDB makes them; the time limit covers reading them."""
        limit = seconds or self.settings.read_seconds
        cursor = snapshot.cursor()
        try:
            with self.deadlines.limit(cursor, limit):
                yield cursor.execute(sql, list(params)).to_arrow_reader(_BATCH_ROWS)
        except duckdb.InterruptException as error:
            raise TooSlow(limit) from error
        except (duckdb.BinderException, duckdb.CatalogException) as error:
            raise SnapshotOutdated(snapshot.id, str(error)) from error
        except duckdb.OutOfMemoryException as error:
            raise TooLarge(self.settings.read_memory_mb) from error
        except (duckdb.IOException, duckdb.FatalException, duckdb.InternalException) as error:
            raise SnapshotDamaged(snapshot.id, str(error)) from error
        except OSError as error:  # Arrow's own word for an error in the middle of DuckDB's stream
            raise TooSlow(limit) if "INTERRUPT" in str(error) else SnapshotDamaged(snapshot.id, str(error)) from error
        finally:
            cursor.close()

"""Run one query within its limits and return its rows as an Arrow table."""

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
    """One thread that interrupts queries at their deadline; a timer per query would be a thread per query."""

    def __init__(self) -> None:
        self._running: dict[duckdb.DuckDBPyConnection, float] = {}
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._watch, name="query-deadlines", daemon=True)
        self._thread.start()

    @contextmanager
    def limit(self, cursor: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
        """Interrupt the cursor at the deadline, and again until it has stopped."""
        with self._changed:
            self._running[cursor] = time.monotonic() + seconds
            self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._running.pop(cursor, None)

    def close(self) -> None:
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
    """Runs our own SQL, with callers' values bound."""

    def __init__(self, settings: WarehouseSettings) -> None:
        self.settings = settings
        self.deadlines = Deadlines()

    def close(self) -> None:
        self.deadlines.close()

    def fetch(
        self,
        snapshot: OpenSnapshot,
        sql: str,
        params: Sequence[Any] = (),
        seconds: float | None = None,
        station: str | None = None,
    ) -> pa.Table:
        """Run a query; one about a single `station` of the archive is faster when it says so."""
        with self.batches(snapshot, sql, params, seconds, station) as reader:
            return reader.read_all()

    def fetch_dicts(
        self, snapshot: OpenSnapshot, sql: str, params: Sequence[Any] = (), station: str | None = None
    ) -> list[dict[str, Any]]:
        """Run a query that returns few rows; one dict each."""
        rows: list[dict[str, Any]] = self.fetch(snapshot, sql, params, station=station).to_pylist()
        return rows

    @contextmanager
    def batches(
        self,
        snapshot: OpenSnapshot,
        sql: str,
        params: Sequence[Any] = (),
        seconds: float | None = None,
        station: str | None = None,
    ) -> Iterator[pa.RecordBatchReader]:
        """Stream a query's batches; the time limit covers reading them."""
        limit = seconds or self.settings.read_seconds
        cursor = snapshot.cursor(station)
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
        except OSError as error:  # Arrow wraps errors in the middle of DuckDB's stream
            raise TooSlow(limit) if "INTERRUPT" in str(error) else SnapshotDamaged(snapshot.id, str(error)) from error
        finally:
            cursor.close()

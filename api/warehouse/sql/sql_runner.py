"""Runs callers' SQL in child processes with a memory limit and a deadline."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path
from queue import Empty, LifoQueue
from threading import Event, Lock
from typing import Any

import pyarrow as pa
import pyarrow.ipc

from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import Busy, CallerLeft, SnapshotDamaged, SnapshotGone, SqlRefused, TooLarge, TooSlow
from api.warehouse.settings import WarehouseSettings
from orchestration.settings import ROOT

_START_SECONDS = 30.0
_CORRECT = "correct the statement; /warehouse/tables lists tables and columns"
_LOOK_SECONDS = 0.02  # between two looks at a running statement's memory


@dataclass(frozen=True)
class SqlResult:
    table: pa.Table
    columns: list[dict[str, str]]
    is_truncated: bool
    seconds: float


class _Child:
    """One process, and the pipe to it."""

    def __init__(self, settings: WarehouseSettings) -> None:
        self.memory_mb = settings.sql_memory_mb
        self.pipe, theirs = Pipe()
        arguments = [str(theirs.fileno()), str(settings.sql_memory_mb), str(settings.read_threads)]
        self.process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "api.warehouse.sql.sql_child", *arguments],
            pass_fds=[theirs.fileno()],
            # Nothing of the service's environment: no token, no key. Few arenas, so that memory is freed.
            env={
                "PYTHONPATH": str(ROOT),
                "PATH": os.defpath,
                "MALLOC_ARENA_MAX": "2",
                "ARROW_DEFAULT_MEMORY_POOL": "system",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,  # Ctrl-C is for the service, which ends its children itself
        )
        theirs.close()
        self.is_ready = False

    def until_ready(self) -> None:
        """Wait until the process says that it has started, so that no statement's time pays for it."""
        if not self.is_ready:
            if not self.pipe.poll(_START_SECONDS):
                raise Busy(_START_SECONDS)
            self.pipe.recv_bytes()
            self.is_ready = True

    def ask(self, request: dict[str, Any], seconds: float, has_left: Event) -> tuple[dict[str, Any], bytes] | None:
        """Send a request and wait for its answer; None when the time is up.

        Raises EOFError when the process ended, MemoryError when it holds more than it may, CallerLeft.
        """
        self.pipe.send_bytes(json.dumps(request).encode())
        deadline = time.monotonic() + seconds
        while not self.pipe.poll(_LOOK_SECONDS):
            if time.monotonic() > deadline:
                return None
            if has_left.is_set():
                raise CallerLeft
            if self._resident_mb() > self.memory_mb:
                raise MemoryError
        return json.loads(self.pipe.recv_bytes()), self.pipe.recv_bytes()

    def _resident_mb(self) -> float:
        try:
            pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        except OSError:  # not Linux: only DuckDB's limit and the deadline apply
            return 0.0
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def end(self) -> None:
        """Kill the process and wait for its end."""
        self.pipe.close()
        self.process.kill()
        self.process.wait()


class SqlRunner:
    """A few child processes, started by the first query and replaced after any failure."""

    def __init__(self, settings: WarehouseSettings) -> None:
        self.settings = settings
        self._places: LifoQueue[_Child | None] = LifoQueue()
        for _ in range(settings.sql_processes):
            self._places.put(None)
        self._children: set[_Child] = set()
        self._lock = Lock()

    def close(self) -> None:
        with self._lock:
            for child in self._children:
                child.end()
            self._children.clear()

    def run(self, snapshot: OpenSnapshot, sql: str, params: Any, limit: int, has_left: Event) -> SqlResult:
        """Run one statement, until it ends or its caller leaves.

        Raises SqlRefused, TooLarge, TooSlow, Busy or CallerLeft.
        """
        settings = self.settings
        if has_left.is_set():
            raise CallerLeft
        try:
            child = self._places.get(timeout=settings.read_queue_seconds)
        except Empty:
            raise Busy(settings.read_queue_seconds) from None
        kept: _Child | None = None
        try:
            child = child or self._start()
            request = {
                "file": str(snapshot.file.resolve()),
                "closed_months": str(snapshot.closed_months) if snapshot.closed_months else None,
                "sql": sql,
                "params": params,
                "max_rows": limit,
                "max_bytes": settings.sql_result_mb * 2**20,
            }
            child.until_ready()
            answer = child.ask(request, settings.sql_seconds, has_left)
            if answer is None:
                raise TooSlow(settings.sql_seconds)
            kept = None if "broken" in answer[0] else child  # its engine may be unfit for the next statement
        except (EOFError, OSError, MemoryError) as error:
            raise TooLarge(settings.sql_memory_mb) from error  # the system ended it at its memory limit
        finally:
            if kept is None and child is not None:
                self._end(child)
            self._places.put(kept)
        return self._result(snapshot, *answer)

    def _result(self, snapshot: OpenSnapshot, head: dict[str, Any], body: bytes) -> SqlResult:
        if "refused" in head:
            raise SqlRefused(head["refused"])
        if "too_large" in head:
            raise TooLarge(self.settings.sql_memory_mb)
        if "broken" in head:
            if not snapshot.file.exists():
                raise SnapshotGone(snapshot.id, "snapshot")
            raise SnapshotDamaged(
                snapshot.id, head["broken"], if_well=SqlRefused(_first_line(head["broken"]), _CORRECT)
            )
        if "failed" in head:
            raise SqlRefused(head["failed"], _CORRECT)
        with pa.ipc.open_stream(body) as reader:
            table = reader.read_all()
        return SqlResult(table, head["columns"], head["truncated"], head["seconds"])

    def _start(self) -> _Child:
        child = _Child(self.settings)
        with self._lock:
            self._children.add(child)
        return child

    def _end(self, child: _Child) -> None:
        with self._lock:
            self._children.discard(child)
        child.end()


def _first_line(text: str) -> str:
    """Leave out DuckDB's stack trace, which names paths of the machine."""
    return text.partition("\n")[0]

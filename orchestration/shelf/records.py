"""Progress of runs through the shelf: whichever host runs, every host can show its packets and dbt nodes."""

import math
import time
from contextlib import suppress
from uuid import UUID

from ingestion.durable import make_directory
from ingestion.paths import DataPaths
from orchestration.errors import ShelfAway
from orchestration.progress import record_file
from orchestration.shelf.store import Store

_LIVE_SECONDS = 900  # a file that was not written for so long belongs to a run that has ended
_ASK_SECONDS = 1.0
_FEW = 1000


class Records:
    """Puts what runs of this host write, and fetches what runs of others wrote."""

    def __init__(self, store: Store, paths: DataPaths) -> None:
        self._store, self._paths = store, paths
        self._listed_at = 0
        self._live: dict[str, int] = {}  # by run: bytes that were put
        self._asked: dict[str, tuple[float, str | None]] = {}  # runs of others: when asked last, and which version

    def put_new(self) -> None:
        """Put each file that grew. Raises ShelfAway."""
        folder = self._paths.run_records
        try:
            changed = folder.stat().st_mtime_ns
        except FileNotFoundError:
            return
        if changed != self._listed_at:
            oldest = time.time() - _LIVE_SECONDS
            found = {file.stem for file in folder.glob("*.jsonl") if file.stat().st_mtime > oldest}
            self._live = {run_id: self._live.get(run_id, 0) for run_id in found - set(self._asked)}
            self._listed_at = changed
        for run_id, size in self._live.items():
            with suppress(FileNotFoundError):
                content = record_file(self._paths, run_id).read_bytes()
                if len(content) > size:
                    self._store.put(f"runs/{run_id}.jsonl", content)
                    self._live[run_id] = len(content)

    def fetch(self, run_id: str) -> None:
        """Lay the records of a run of another host, asked for at most once a second."""
        at, etag = self._asked.get(run_id, (-_ASK_SECONDS, None))
        file = record_file(self._paths, str(UUID(run_id)))  # an id must never become a path
        if time.monotonic() - at < _ASK_SECONDS or (run_id not in self._asked and file.exists()):
            return
        self._asked = dict(list(self._asked.items())[-_FEW:])
        self._asked[run_id] = (math.inf, etag)  # by one thread: on a cut cable each would wait for many seconds
        try:
            with suppress(ShelfAway, OSError):  # only for display
                if found := self._store.read(f"runs/{run_id}.jsonl", unless=etag):
                    make_directory(file.parent)
                    file.write_bytes(found.content)
                    etag = found.etag
        finally:
            self._asked[run_id] = (time.monotonic(), etag)

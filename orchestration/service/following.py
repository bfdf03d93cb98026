"""Following the shelf: lays what is served every few seconds, and knows how far behind this host is."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from filelock import Timeout

from ingestion.archive.ledger import Ledger
from ingestion.errors import StorageFailed
from ingestion.paths import DataPaths
from ingestion.storage import storage_faults
from ingestion.writer_lock import writer_lock
from orchestration.errors import OrchestrationError
from orchestration.shelf.records import Records
from orchestration.shelf.shelf import Shelf
from orchestration.snapshots.snapshots import served_snapshot

log = logging.getLogger("girouette.following")

FOLLOW_SECONDS = 1.0
MEND_SECONDS = 60.0

Note = Callable[[str, str, str], None]


class Following:
    """One data folder that follows a shelf. `note` receives the part `shelf` of the health."""

    def __init__(self, shelf: Shelf, paths: DataPaths, behind_seconds: float, note: Note) -> None:
        self._shelf, self._paths, self._behind_seconds, self._note = shelf, paths, behind_seconds, note
        self._level_at = time.monotonic()  # when this host last served what the shelf serves
        self._mended_at = time.monotonic()
        self._is_said = False
        self._is_empty = False
        self.records = Records(shelf.store, paths)
        self.ahead: str | None = None  # the snapshot that the shelf serves and this host does not yet

    async def run(self) -> None:
        """Follow until cancelled."""
        self._note("shelf", "starting", f"{self._shelf.store.url} was not read yet")
        while True:
            step = asyncio.ensure_future(asyncio.to_thread(self.step))
            # A cut cable leaves a request without an answer, for minutes when it is a large one.
            while not (await asyncio.wait([step], timeout=FOLLOW_SECONDS))[0]:
                if time.monotonic() - self._level_at > self._behind_seconds:
                    self._tell("behind", f"{self._shelf.store.url} has not answered yet")
            await step
            await asyncio.sleep(FOLLOW_SECONDS)

    def step(self) -> None:
        """Follow once. Errors go to the health: what is served here stays served."""
        try:
            self._look()
            self.records.put_new()
            # A run of this host holds the lock: it takes and publishes by itself.
            with storage_faults(self._paths), writer_lock(self._paths, "following", log.debug, timeout=0):
                self._shelf.follow()
                self._mend()
            self._look()
        except Timeout:
            pass
        except (OrchestrationError, StorageFailed, OSError) as error:
            self._tell("behind", str(error))
            return
        if self.ahead is None:
            self._level_at = time.monotonic()
            self._is_said = False
            self._note("shelf", "following", "")
        else:
            self._tell("behind", f"the shelf serves {self.ahead}, which is not laid here yet")

    @property
    def is_empty(self) -> bool:
        """Whether nothing was published there yet, as far as was seen."""
        return self._is_empty

    def read_ledger(self) -> Ledger:
        """Read the archive's ledger of the shelf. Raises ShelfAway."""
        return self._shelf.read_ledger()

    def _mend(self) -> None:
        if time.monotonic() - self._mended_at >= MEND_SECONDS:
            self._mended_at = time.monotonic()
            for path in self._shelf.mend():
                log.warning("%s was damaged here and is fetched again", path)

    def _look(self) -> None:
        catalogue = self._shelf.look()
        wanted, self._is_empty = catalogue.served, catalogue.generation == 0
        here = served_snapshot(self._paths)
        self.ahead = None if not wanted or (here is not None and here.id == wanted) else wanted

    def _tell(self, state: str, reason: str) -> None:
        seconds = time.monotonic() - self._level_at
        since = datetime.fromtimestamp(time.time() - seconds, UTC).isoformat(timespec="seconds")
        self._note("shelf", "lost" if seconds > self._behind_seconds else state, f"behind since {since}: {reason}")
        if not self._is_said:
            self._is_said = True
            log.warning("%s", reason)

"""Watches the store itself, so that it is known when each snapshot was published."""

import threading
import time
from types import TracebackType

from orchestration.shelf.catalogue import SERVED, Catalogue
from orchestration.shelf.store import Store

_PAUSE = 0.1


class Publications:
    """When `served.json` was seen to move to each snapshot."""

    def __init__(self, store: Store) -> None:
        self.moved_at: dict[str, float] = {}
        self._store = store
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Publications":
        self._thread.start()
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join(30)

    def _watch(self) -> None:
        etag = None
        while not self._ended.wait(_PAUSE):
            if found := self._store.read(SERVED, unless=etag):
                etag = found.etag
                self.moved_at.setdefault(Catalogue.decode(found.content).served, time.time())

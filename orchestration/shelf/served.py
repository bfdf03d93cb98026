"""`served.json`, the one object that changes: read when it changed, written by compare-and-swap."""

import threading
from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

from orchestration.errors import ShelfAway, ShelfDamaged
from orchestration.shelf.catalogue import SERVED, Catalogue
from orchestration.shelf.store import Conflict, Store

_SWAPS = 20  # others may write between our read and our write, each time something else


class Served:
    """The newest version that was read. Threads may share it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._etag: str | None = None
        self._catalogue = Catalogue()
        self._lock = threading.Lock()

    def look(self) -> Catalogue:
        """Read it; costs a short request while nothing changed. Raises ShelfAway, ShelfDamaged."""
        with self._lock:
            if found := self._store.read(SERVED, unless=self._etag):
                try:
                    self._catalogue = Catalogue.decode(found.content)
                except (ValueError, TypeError, KeyError) as error:
                    raise ShelfDamaged(self._store.url, SERVED) from error
                self._etag = found.etag
            return self._catalogue

    def swap(self, change: Callable[[Catalogue], Catalogue]) -> Catalogue:
        """Change it by compare-and-swap; what `change` raises ends it."""
        for _ in range(_SWAPS):
            self.look()
            with self._lock:
                before, etag = self._catalogue, self._etag
            wanted = replace(change(before), writer=uuid4().hex)
            try:
                self._store.write(SERVED, wanted.encode(), etag)
            except (Conflict, ShelfAway) as error:
                # An answer may be lost after the write took place: the document then holds our mark.
                if self.look().writer != wanted.writer:
                    if isinstance(error, ShelfAway):
                        raise
                    continue
            return wanted
        raise ShelfAway(self._store.url, f"{SERVED} changed under each of {_SWAPS} tries")

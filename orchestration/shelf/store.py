"""The bucket behind SHELF_URL: objects, put on conditions. The only module that imports obstore."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

from ingestion.durable import PARTIAL, make_directory, sync
from orchestration.errors import ShelfAway, ShelfDamaged, ShelfUnusable

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_CHUNK = 16 * 2**20  # each part of a download is a request of its own, so a slow line does not meet a time limit
_NEEDS = "take a store that honours both: AWS S3, MinIO, Ceph, SeaweedFS, R2, Google's and Azure's do"


class Conflict(Exception):
    """The object is another than the condition says: somebody else wrote it."""


@dataclass(frozen=True)
class Read:
    """An object's content and its version."""

    content: bytes
    etag: str


class Store:
    """Objects under one prefix of a bucket. Every error of the store is a ShelfAway with one line."""

    def __init__(self, url: str, objects: "ObjectStore", documents: "ObjectStore") -> None:
        self.url = url
        self._objects, self._documents = objects, documents

    def read(self, key: str, unless: str | None = None) -> Read | None:
        """Read an object. None: there is none, or it still has the version `unless`."""
        import obstore
        from obstore.exceptions import NotFoundError, NotModifiedError

        with self._told(), suppress(NotFoundError, FileNotFoundError, NotModifiedError):
            found = obstore.get(self._documents, key, options={"if_none_match": unless} if unless else {})
            return Read(bytes(found.bytes()), found.meta["e_tag"] or "")
        return None

    def exists(self, key: str) -> bool:
        import obstore
        from obstore.exceptions import NotFoundError

        with self._told(), suppress(NotFoundError, FileNotFoundError):
            obstore.head(self._documents, key)
            return True
        return False

    def write(self, key: str, content: bytes, replaces: str | None) -> str:
        """Create an object, or replace its version `replaces`; return the new version. Raises Conflict."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with self._told():
            try:
                mode: Any = {"e_tag": replaces} if replaces else "create"
                return obstore.put(self._documents, key, content, mode=mode)["e_tag"] or ""
            except (AlreadyExistsError, PreconditionError) as error:
                raise Conflict(key) from error

    def put(self, key: str, content: bytes) -> None:
        """Write an object that has one writer."""
        import obstore

        with self._told():
            obstore.put(self._objects, key, content)

    def upload(self, key: str, file: Path) -> None:
        """Put a file. Its key names its content, so writing it twice writes the same."""
        import obstore

        with self._told(), file.open("rb") as content:
            obstore.put(self._objects, key, content)

    def download(self, key: str, target: Path, size: int, digest: str) -> None:
        """Lay an object as a file, durably. Raises ShelfDamaged when its bytes are not those that were put."""
        import obstore

        make_directory(target.parent)
        partial = target.with_name(f"{target.name}{PARTIAL}")
        found = sha256()
        with partial.open("wb") as file:
            for start in range(0, size, _CHUNK):
                with self._told():
                    part = obstore.get_range(self._objects, key, start=start, end=min(start + _CHUNK, size))
                found.update(part)
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        if found.hexdigest() != digest:
            partial.unlink()
            raise ShelfDamaged(self.url, key)
        partial.replace(target)
        sync(target.parent)

    def keys(self, prefix: str) -> dict[str, datetime]:
        """List the keys under a prefix, with the time each was last written."""
        import obstore

        with self._told():
            return {
                found["path"]: found["last_modified"] for part in obstore.list(self._objects, prefix) for found in part
            }

    def delete(self, keys: list[str]) -> None:
        import obstore

        if keys:
            with self._told(), suppress(FileNotFoundError):
                obstore.delete(self._objects, keys)

    def check_conditions(self) -> None:
        """Raise ShelfUnusable unless the store refuses what a condition forbids: workers rely on it."""
        key = f"check/{uuid4().hex}"
        try:
            first = self.write(key, b"first", None)
            for replaces, ignored in ((None, "If-None-Match"), ('"another"', "If-Match")):
                with suppress(Conflict):
                    self.write(key, b"second", replaces)
                    raise ShelfUnusable(self.url, f"ignores the condition {ignored}", _NEEDS)
            if not first or self.write(key, b"third", first) == first:
                raise ShelfUnusable(self.url, "gives no ETag that changes with the content", _NEEDS)
        finally:
            with suppress(ShelfAway):
                self.delete([key])

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn the store's errors, many lines each, into one line."""
        from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError, NotModifiedError, PreconditionError

        try:
            yield
        except (AlreadyExistsError, PreconditionError, NotFoundError, NotModifiedError, FileNotFoundError):
            raise
        except BaseError as error:
            raise ShelfAway(self.url, str(error).partition("\n")[0]) from error


@lru_cache(maxsize=1)
def open_store(url: str) -> Store:
    """Open the store of SHELF_URL; nothing is asked of it yet. Raises ShelfUnusable."""
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError as error:
        raise ShelfUnusable(url, "needs a package that is not installed", "pip install '.[hosts]'") from error
    endpoints = [os.environ.get(name, "") for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")]
    address = urlsplit(url)
    if address.scheme not in ("s3", "s3a", "gs", "az", "abfs", "abfss") or not address.netloc:
        raise ShelfUnusable(url, "names no bucket", "write it as s3://bucket/prefix")
    try:
        return Store(url, *(from_url(url, **_patience(seconds, endpoints)) for seconds in (60, 8)))
    except (BaseError, ValueError) as error:
        raise ShelfUnusable(url, str(error).partition("\n")[0], "see docs/hosts.md") from error


def _patience(seconds: int, endpoints: list[str]) -> dict[str, Any]:
    """Options of a client whose every try ends after so long: on a cut cable, nothing else ends it.

    Documents are small and often asked for, so they wait less than files. Obstore's defaults try for three minutes.
    The next run, or the next look, tries again anyway.
    """
    return {
        "client_options": {
            "timeout": timedelta(seconds=seconds),
            "connect_timeout": timedelta(seconds=5),
            "allow_http": any(endpoint.startswith("http://") for endpoint in endpoints),
        },
        "retry_config": {"max_retries": 3, "retry_timeout": timedelta(seconds=15)},
    }

"""What the machine refuses (space, rights, files, memory), told as one error that says what to do."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile

import duckdb

from ingestion.errors import IngestionError, StorageFailed, WarehouseDamaged, WarehouseNewer
from ingestion.paths import DataPaths

# DuckDB hands on the system's words, not its number.
_BY_WORDS = {
    os.strerror(number): number
    for number in (
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
        *(errno.EACCES, errno.EPERM, errno.EROFS),
        *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO),
    )
}
_PROBE_BYTES = 65_536
_NOT_A_WAREHOUSE = re.compile("not a valid DuckDB database|[Cc]orrupt|checksum|[Ff]ailed to deserialize|[Ss]erializ")
_NEWER_FILE = re.compile(r"version number (\d+), but we can only read versions? .*?(\d+)\.")


@contextmanager
def storage_faults(paths: DataPaths) -> Iterator[None]:
    """Raise StorageFailed, WarehouseDamaged or WarehouseNewer for what goes wrong with files inside."""
    try:
        yield
    except (TimeoutError, ConnectionError):  # of the network and of locks: no fault of the disk
        raise
    except OSError as error:
        raise StorageFailed(error.errno, error.strerror or str(error), error.filename, paths.root) from error
    except duckdb.Error as error:
        told = _fault_of(error, paths)
        if told is None:
            raise
        raise told from error


def require_room(paths: DataPaths) -> None:
    """Raise StorageFailed when the data directory takes no more.

    A full disk shows up as errors of others that write there, such as Prefect's database: ask this before blaming them.
    """
    with storage_faults(paths):
        if paths.root.is_dir():  # refused itself where a folder above may not be entered
            with TemporaryFile(dir=paths.root, buffering=0) as probe:
                probe.write(b"\0" * _PROBE_BYTES)


def is_refusal(text: str) -> bool:
    """Whether DuckDB's words tell of the machine, whose refusals pass, and not of the file."""
    return any(words in text for words in _BY_WORDS)


def _fault_of(error: duckdb.Error, paths: DataPaths) -> IngestionError | None:
    text = str(error)
    if words := next((words for words in _BY_WORDS if words in text), None):
        return StorageFailed(_BY_WORDS[words], words, None, paths.root)
    if newer := _NEWER_FILE.search(text):
        return WarehouseNewer(int(newer[1]), int(newer[2]), paths.root)
    if isinstance(error, duckdb.SerializationException) or _NOT_A_WAREHOUSE.search(text):
        return WarehouseDamaged(paths.build_file, text)
    if isinstance(error, duckdb.IOException | duckdb.FatalException | duckdb.OutOfMemoryException):
        return StorageFailed(None, text, None, paths.root)
    return None

"""Load what is already on disk: captured files, what a killed run left behind, the whole landing zone."""

import codecs
import gzip
import zlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

import duckdb

from ingestion.errors import CorrectionHeld, FileRefused, FileUnreadable, IngestionError, PayloadError, WarehouseOlder
from ingestion.landing import (
    FILE_SCOPE,
    LandedPayload,
    describe_payload,
    land_payload,
    landed_payloads,
    sweep_partial,
)
from ingestion.load import load_payload
from ingestion.load_log import LoadResult, landed_before, refuse_total_loss, unloaded
from ingestion.paths import DataPaths
from ingestion.raw_store import open_build_file
from ingestion.settings import IngestionSettings
from ingestion.source import PayloadFormat
from ingestion.sources import SOURCES
from ingestion.upgrade import discard_when_replaced, rename_outdated

Say = Callable[[str], None]

LARGEST_FILE = 64 * 2**20  # bytes, decompressed, as for an answer; all of France over a day is about 10 MB

_START_BYTES = 65_536
_GZIP = b"\x1f\x8b"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def load_files(
    settings: IngestionSettings, files: Sequence[Path]
) -> Iterable[tuple[Path, LoadResult | FileRefused | FileUnreadable]]:
    """Land and load captured payloads in the given order: v1 or v2, CSV or JSON, packets or station lists.

    The caller holds the writer's lock. A file that cannot be loaded gives its error; the others are loaded.
    """
    paths = DataPaths(settings.data_dir)
    with open_build_file(paths, settings.source) as connection:
        for file in files:
            try:
                yield file, _load_file(connection, paths.landing / settings.source, file, settings.source)
            except (FileRefused, FileUnreadable) as error:
                yield file, error
            except PayloadError as error:
                yield file, FileRefused(file, error.fault, error.file_advice)


def _load_file(connection: duckdb.DuckDBPyConnection, folder: Path, file: Path, source: str) -> LoadResult:
    """Load one file. What is refused, or what the landing zone held already and brings nothing, does not stay there.

    The same file again does stay when it brings something: it undid what came in between, and so must a rebuild.
    """
    landed = _land_file(folder, file, source)
    try:
        result = refuse_total_loss(connection, load_payload(connection, landed, source=source))
    except CorrectionHeld:  # it stays: a rebuild too must meet it twice to believe it
        raise
    except IngestionError:
        landed.path.unlink()
        raise
    if not result.brought_news and (kept := landed_before(connection, folder, landed, result.load_id)):
        connection.execute("update meta.loads set payload = ? where load_id = ?", [kept, result.load_id])
        landed.path.unlink()
    return result


def load_left_behind(settings: IngestionSettings, say: Say) -> int:
    """Load what a killed run had landed and not loaded; return how many payloads that were.

    A build file of an older Girouette is one that has loaded nothing.
    """
    paths = DataPaths(settings.data_dir)
    sweep_partial(paths.landing / settings.source)
    try:
        count = _load_unloaded(paths, settings, say)
    except WarehouseOlder as older:
        say(f"{older}: that is what happens now")
        rename_outdated(paths)
        count = _load_unloaded(paths, settings, say)
    discard_when_replaced(paths, say)
    return count


def _load_unloaded(paths: DataPaths, settings: IngestionSettings, say: Say) -> int:
    with open_build_file(paths, settings.source) as connection:
        waiting = unloaded(connection, paths.landing / settings.source)
        return _load_each(connection, waiting, settings, say)


def rebuild_raw(settings: IngestionSettings, say: Say, into: DataPaths | None = None) -> int:
    """Load the whole landing zone, oldest first, into a build file; return how many payloads it held."""
    paths = DataPaths(settings.data_dir)
    with open_build_file(into or paths, settings.source) as connection:
        return _load_each(connection, landed_payloads(paths.landing / settings.source), settings, say)


def _load_each(
    connection: duckdb.DuckDBPyConnection,
    payloads: Iterable[LandedPayload],
    settings: IngestionSettings,
    say: Say,
) -> int:
    count = 0
    for count, landed in enumerate(payloads, start=1):  # noqa: B007 - the count is the answer
        try:
            result = load_payload(connection, landed, source=settings.source)
            say(f"{landed.path.name}: {result}")
        except IngestionError as error:
            say(f"{landed.path.name}: not loaded: {error}")
    return count


def _land_file(folder: Path, file: Path, source: str) -> LandedPayload:
    body, dataset, written_as = _read_file(file, source)
    landed = describe_payload(
        folder, body, dataset=dataset, scope=FILE_SCOPE, fetched_at=datetime.now(UTC), format=written_as
    )
    land_payload(landed, body)
    return landed


def _read_file(file: Path, source: str) -> tuple[bytes, str, PayloadFormat]:
    """Read a file, decompressed, and tell its dataset and format; its start alone decides whether it is one to load."""
    try:
        if file.is_dir():
            raise FileUnreadable(file, "it is a folder", "give the files in it")
        with file.open("rb") as opened:
            is_packed = opened.peek(len(_GZIP)).startswith(_GZIP)
            stream = cast("BinaryIO", gzip.GzipFile(fileobj=opened)) if is_packed else opened
            start = stream.read(_START_BYTES)
            # UTF-8, so that what a source looks for in it is found.
            text = start.decode("utf-16", "ignore").encode() if start.startswith(_UTF16) else start
            text = text.lstrip(b"\xef\xbb\xbf \t\r\n")
            dataset = SOURCES[source].dataset_of_file(text)
            body = start + stream.read(LARGEST_FILE + 1 - len(start))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FileUnreadable(file, f"its gzip data is damaged: {error}") from error
    except OSError as error:
        raise FileUnreadable(file, error.strerror or str(error)) from error
    if len(body) > LARGEST_FILE:
        raise FileRefused(
            file,
            f"it is larger than {LARGEST_FILE / 2**20:.0f} MB, more than any packet",
            "load the packets it was made from, each by itself",
        )
    return body, dataset, "json" if text[:1] in (b"[", b"{") else "csv"

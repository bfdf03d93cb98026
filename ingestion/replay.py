"""Load what is already on disk: captured files, what a killed run left behind, the whole landing zone."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from ingestion.errors import FileUnreadable, IngestionError, WarehouseOlder
from ingestion.landing import (
    FILE_SCOPE,
    LandedPayload,
    decompress,
    describe_payload,
    land_payload,
    landed_payloads,
    sweep_partial,
)
from ingestion.load import load_payload
from ingestion.load_log import LoadResult, refuse_total_loss, unloaded
from ingestion.paths import DataPaths
from ingestion.raw_store import open_build_file
from ingestion.settings import IngestionSettings
from ingestion.sources import SOURCES
from ingestion.upgrade import discard_when_replaced, rename_outdated

Say = Callable[[str], None]


def load_files(settings: IngestionSettings, files: Sequence[Path]) -> Iterable[tuple[Path, LoadResult]]:
    """Land and load captured payloads in the given order: v1 or v2, CSV or JSON, packets or station lists.

    The caller holds the writer's lock. A file that cannot be loaded raises; those before it stay loaded.
    """
    paths = DataPaths(settings.data_dir)
    with open_build_file(paths, settings.source) as connection:
        for file in files:
            landed = _land_file(paths.landing / settings.source, file, settings.source)
            yield file, refuse_total_loss(connection, load_payload(connection, landed, source=settings.source))


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
    try:
        body = file.read_bytes()
    except OSError as error:
        raise FileUnreadable(file, error.strerror or str(error)) from error
    if body.startswith(b"\x1f\x8b"):
        body = decompress(body, file)
    start = body.lstrip(b"\xef\xbb\xbf \t\r\n")
    landed = describe_payload(
        folder,
        body,
        dataset=SOURCES[source].dataset_of_file(start),
        scope=FILE_SCOPE,
        fetched_at=datetime.now(UTC),
        format="json" if start[:1] in (b"[", b"{") else "csv",
    )
    land_payload(landed, body)
    return landed

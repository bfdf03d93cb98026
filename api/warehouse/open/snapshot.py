"""One published snapshot, open for reading: a sandbox connection to DuckDB, its catalog and its manifest."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from api.warehouse.open.catalog import Relation, read_relations
from api.warehouse.open.sandbox import connect_sandbox, open_cursor
from api.warehouse.open.units import Units
from api.warehouse.problems import SnapshotDamaged
from api.warehouse.settings import WarehouseSettings
from ingestion.closed_months import missing_files
from ingestion.paths import WAREHOUSE_FILE, DataPaths
from ingestion.sources import SOURCES
from ingestion.storage import is_refusal
from orchestration.snapshots.snapshots import MODELS, Manifest, read_manifest


@dataclass(frozen=True)
class KnownStation:
    """What finding a station by its name needs to know of it."""

    station_id: str
    name: str | None
    place: tuple[float, float] | None
    hours: tuple[datetime, datetime] | None  # its first and last; None for a listed station that has sent none

    def __str__(self) -> str:
        return f"{self.name} ({self.station_id})" if self.name else self.station_id


@dataclass(eq=False)
class OpenSnapshot:
    """A snapshot's file, opened once and read through one cursor per call; close() it when no reader is left."""

    manifest: Manifest
    folder: Path
    connection: duckdb.DuckDBPyConnection
    readers: int = 0
    latest: dict[Units, pa.RecordBatch] = field(default_factory=dict)  # by units, filled at the first request
    # Its rows as JSON by their position, by units and time zone; filled at the first request.
    latest_json: dict[tuple[Units, str], dict[int, bytes]] = field(default_factory=dict)
    stations: Mapping[str, KnownStation] | None = None  # by id, filled at the first request
    station_names: Mapping[str, list[str]] | None = None  # by folded id and name, filled at the first request
    post_names: Mapping[str, list[str]] | None = None  # the same with the archive's posts, closed ones too

    @property
    def id(self) -> str:
        return self.manifest.id

    @property
    def file(self) -> Path:
        return self.folder / WAREHOUSE_FILE

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What every answer says about its snapshot."""
        manifest = self.manifest
        return {
            "id": manifest.id,
            "published_at": manifest.published_at,
            "run_id": manifest.run_id,
            "source": manifest.source,
            "newest_observation": manifest.newest_observation,
            # A snapshot may be older than the list of sources.
            "attribution": SOURCES[manifest.source].attribution if manifest.source in SOURCES else manifest.source,
        }

    @cached_property
    def relations(self) -> Mapping[str, Relation]:
        """Every table and view of the published schemas, by `schema.name`."""
        return read_relations(self.connection.cursor(), self._model_docs(), self.manifest.row_counts)

    @cached_property
    def paths(self) -> DataPaths:
        return DataPaths(self.folder.resolve().parents[1])

    @cached_property
    def closed_months(self) -> Path | None:
        """The folder of closed months, when the snapshot reads any file of them or of the archive beside it."""
        return self.paths.closed if self.manifest.shared_files else None

    def cursor(self, station: str | None = None) -> duckdb.DuckDBPyConnection:
        """Open a session for one call, perhaps about one station only."""
        return open_cursor(self.connection, self.closed_months, station)

    def is_alive(self) -> bool:
        """Whether the connection still answers."""
        try:
            self.connection.cursor().execute("select 1")
        except duckdb.Error:
            return False
        return True

    def close(self) -> None:
        self.connection.close()

    def _model_docs(self) -> dict[str, Any]:
        try:
            docs = json.loads((self.folder / MODELS).read_text(encoding="utf-8"))
        except (OSError, ValueError):  # published before models were described, or already deleted
            return {}
        return docs if isinstance(docs, dict) else {}


def open_snapshot(folder: Path, settings: WarehouseSettings) -> OpenSnapshot:
    """Open a snapshot's file read-only in a sandbox; raises SnapshotDamaged."""
    try:
        manifest = read_manifest(folder)
        size = os.stat(folder / WAREHOUSE_FILE).st_size  # noqa: PTH116 - the file may vanish at any time
        if size != manifest.size_bytes:
            raise SnapshotDamaged(folder.name, f"{size} bytes where the manifest says {manifest.size_bytes}")
        paths = DataPaths(folder.resolve().parents[1])
        if missing := next(missing_files(paths, manifest.shared_files), None):
            raise SnapshotDamaged(folder.name, f"its file {missing.name} is missing in {missing.parent}")
        connection = connect_sandbox(
            folder / WAREHOUSE_FILE,
            threads=settings.read_threads,
            memory_mb=settings.read_memory_mb,
            closed_months=paths.closed if manifest.shared_files else None,
        )
    except (OSError, ValueError, TypeError, duckdb.Error) as error:
        # A fatal error lasts while a reader still holds the old connection to the same file; then it passes.
        is_passing = isinstance(error, OSError | duckdb.FatalException) or is_refusal(str(error))
        raise SnapshotDamaged(folder.name, str(error), is_passing=is_passing) from error
    snapshot = OpenSnapshot(manifest, folder, connection)
    try:
        _ = snapshot.relations
    except duckdb.Error as error:
        snapshot.close()
        raise SnapshotDamaged(folder.name, str(error)) from error
    return snapshot

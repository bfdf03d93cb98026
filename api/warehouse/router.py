"""The border to the application: what reads add to it, and what they open and close."""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI
from starlette.middleware import Middleware

from api.routes import (
    quality,
    warehouse_download,
    warehouse_latest,
    warehouse_observations,
    warehouse_query,
    warehouse_questions,
    warehouse_snapshots,
    warehouse_stations,
    warehouse_tables,
)
from api.warehouse.answer.reads import Reads
from api.warehouse.answer.shortcut import ReadShortcut
from api.warehouse.open.pool import Warehouse
from api.warehouse.question.latest_json import prepare_latest
from api.warehouse.settings import WarehouseSettings
from ingestion.paths import DataPaths


@contextmanager
def open_warehouse(paths: DataPaths, settings: WarehouseSettings) -> Iterator[Reads]:
    """Open the published warehouse for reading and close it at the end; an empty data directory is no error.

    Put what it gives into `app.state.warehouse`; its `ping()` and `status()` are for /health/ready.
    """
    warehouse = Warehouse(paths, settings)
    reads = Reads(warehouse, settings)
    warehouse.prepare = lambda snapshot, before: prepare_latest(snapshot, before, reads.executor)
    warehouse.start()
    try:
        yield reads
    finally:
        reads.close()
        warehouse.close()


def add_warehouse(app: FastAPI) -> None:
    """Add the read addresses, and the shortcut for answers that are already encoded."""
    for routes in (
        warehouse_latest,
        warehouse_observations,
        warehouse_stations,
        warehouse_tables,
        warehouse_query,
        warehouse_snapshots,
        warehouse_download,
        warehouse_questions,
        quality,
    ):
        app.include_router(routes.router)
    # Innermost, whatever else is added: cached answers are logged and counted like all others.
    app.user_middleware.append(Middleware(ReadShortcut))

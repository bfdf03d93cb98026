"""The addresses of the API, listed once."""

from fastapi import FastAPI
from starlette.middleware import Middleware

from api.routes import (
    climate,
    quality,
    warehouse_download,
    warehouse_latest,
    warehouse_observations,
    warehouse_period,
    warehouse_query,
    warehouse_questions,
    warehouse_snapshots,
    warehouse_stations,
    warehouse_tables,
)
from api.warehouse.answer.shortcut import ReadShortcut

_READS = (
    warehouse_latest,
    warehouse_observations,
    warehouse_period,
    warehouse_stations,
    warehouse_tables,
    warehouse_query,
    warehouse_snapshots,
    warehouse_download,
    warehouse_questions,
    quality,
    climate,
)


def add_reads(app: FastAPI) -> None:
    """Add the read addresses, and the shortcut for answers that are already encoded."""
    for module in _READS:
        app.include_router(module.router)
    # Innermost, whatever else is added: cached answers are logged and counted like all others.
    app.user_middleware.append(Middleware(ReadShortcut))

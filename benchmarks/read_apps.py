"""What reads are measured against: our application with a constant body beside its answers, and a tutorial's endpoint.

`uvicorn benchmarks.read_apps:ours` (no Prefect, no runs: only reads), `uvicorn benchmarks.read_apps:tutorial`.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import duckdb
from fastapi import FastAPI, Response

from api.limits import Limits
from api.main import app as service
from api.warehouse.opening import open_warehouse
from api.warehouse.settings import WarehouseSettings
from ingestion.paths import DataPaths

DATA = Path(os.environ["DATA_DIR"])


def make_ours() -> Limits:
    """The service's application with nothing but its reads running, and `/constant?size=` for the same bytes unread."""

    app: FastAPI = service.app  # type: ignore[assignment]

    @asynccontextmanager
    async def only_reads(app: FastAPI) -> AsyncIterator[None]:
        with open_warehouse(DataPaths(DATA), WarehouseSettings()) as app.state.warehouse:
            yield

    app.router.lifespan_context = only_reads

    @app.get("/constant")
    async def constant(size: int) -> Response:
        return Response(b"x" * size, media_type="application/json")

    return service


def make_tutorial() -> FastAPI:
    """FastAPI and DuckDB as a first page of a tutorial puts them together."""
    app = FastAPI()

    @app.get("/latest")
    def latest(dept: str) -> list[dict[str, Any]]:
        with duckdb.connect(str(DATA / "warehouse.duckdb"), read_only=True) as connection:
            found = connection.execute("select * from marts.latest_observations where department_code = ?", [dept])
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    return app


ours, tutorial = make_ours(), make_tutorial()

"""The application: what it is made of, what it opens and closes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from api.errors import install_problem_handlers
from api.warehouse.router import add_warehouse, open_warehouse
from api.warehouse.settings import WarehouseSettings
from ingestion.paths import DataPaths
from ingestion.settings import get_settings


def create_app() -> FastAPI:
    """Build the application; nothing is opened before it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with open_warehouse(DataPaths(get_settings().data_dir), WarehouseSettings()) as reads:
            app.state.warehouse = reads
            yield

    app = FastAPI(title="Girouette", lifespan=lifespan)
    install_problem_handlers(app)
    add_warehouse(app)
    return app

"""The application: its parts, and what it opens and closes."""

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator

from fastapi import Depends, FastAPI

from api.address import root_path
from api.behind import TellsBehind
from api.cors import CorsForReads
from api.errors import Problem, install_problem_handlers
from api.page.router import add_page
from api.prefix import WithoutPrefix
from api.rate_limit import limit_requests
from api.request_log import RequestLog, configure_logging
from api.routes import archive, events, health, metrics, runs, schedule, watches
from api.routes.all_routes import add_reads
from api.settings import get_settings
from api.start_table import print_start_table
from api.warehouse.opening import open_warehouse
from api.warehouse.settings import WarehouseSettings
from ingestion.departments import resolve_all
from ingestion.paths import DataPaths
from ingestion.settings import get_settings as get_ingestion_settings
from ingestion.settings import read_settings
from orchestration.service.reader import Reader
from orchestration.service.service import Service
from orchestration.settings import get_settings as get_orchestration_settings

_MOST_FILES = 65_536
_MALFORMED = "Refused. As text: the request line and headers are longer than 64 KB, or are not HTTP."

_DESCRIPTION = """
Météo-France's observations in a tested DuckDB warehouse: ask for runs, follow them, read what they published.

Reads are open. Changes need an API key; while the service has none, only its own user's programs may change things.
Errors are `application/problem+json`: what happened, the field at fault, the next step.

Source : Météo-France, Licence Ouverte / Etalab 2.0
"""


def create_app() -> FastAPI:
    """Build the application; it opens nothing until it starts."""
    app = FastAPI(
        title="Girouette",
        description=_DESCRIPTION,
        version="0.1.0",
        lifespan=_lifespan,
        docs_url=None,  # served by the page, without a content delivery network
        redoc_url=None,
        dependencies=[Depends(limit_requests)],
        servers=[{"url": root_path()}] if root_path() else None,
    )
    if origins := get_settings().cors_origins:
        app.add_middleware(CorsForReads, origins=origins)
    if get_orchestration_settings().shelf_url:
        app.add_middleware(TellsBehind)
    app.add_middleware(RequestLog)
    install_problem_handlers(app)
    for module in (runs, events, schedule, archive, watches, health, metrics):
        app.include_router(module.router)
    add_reads(app)
    add_page(app)
    _document_problems(app)
    if root_path():
        app.add_middleware(WithoutPrefix, root=root_path())  # outermost, so the last
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    ingestion = get_ingestion_settings()
    paths = DataPaths(ingestion.data_dir)
    orchestration = get_orchestration_settings()
    kind = Reader if orchestration.role == "reader" else Service
    service = kind(resolve_all(ingestion.depts), orchestration, paths)
    configure_logging(get_settings())
    _allow_open_files()
    app.state.service = service
    with open_warehouse(paths, read_settings(WarehouseSettings)) as reads:
        app.state.warehouse = reads
        service.has_readers = reads.were_asked_lately
        # In the background: reads are answered while Prefect is still starting.
        serving = asyncio.create_task(service.run())
        table = asyncio.create_task(print_start_table(service))
        try:
            yield
        finally:
            for task in (table, serving):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            await service.stop()


def _allow_open_files() -> None:
    """Raise the limit of open files: a shell's usual 1,024 are too few for a thousand readers."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < (wanted := _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _document_problems(app: FastAPI) -> None:
    """Add the error shape and uvicorn's own refusal to the OpenAPI document."""
    make = app.openapi

    def openapi() -> dict[str, object]:
        document = make()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.setdefault("Problem", Problem.model_json_schema())
        for operations in document["paths"].values():
            for operation in operations.values():
                refused = operation["responses"].setdefault("400", {"description": _MALFORMED, "content": {}})
                refused["content"].setdefault("text/plain", {"schema": {"type": "string"}})
        return document

    app.openapi = openapi  # type: ignore[method-assign]

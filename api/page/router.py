"""The border to the application: the page's addresses, none of which is in the OpenAPI document."""

from fastapi import FastAPI

from api.page import archive, assets, docs, live, now, places, quality, runs, station, watches
from api.page.answer import Pages


def add_page(app: FastAPI) -> None:
    """Add the views, what they load, and /docs."""
    app.state.pages = Pages()
    for module in (now, places, station, watches, runs, quality, archive, live, assets, docs):
        app.include_router(module.router)

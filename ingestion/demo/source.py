"""The demo source: Météo-France's declaration over a transport that never leaves the process."""

from dataclasses import replace

import httpx
from pydantic import HttpUrl

from ingestion.meteofrance.client import MeteoFranceClient
from ingestion.meteofrance.order_client import OrderClient
from ingestion.meteofrance.source import METEOFRANCE
from ingestion.settings import IngestionSettings

# Appears in logs and errors only.
DEMO_ADDRESS = HttpUrl("http://demo.invalid/public/DPPaquetObs")

DEMO_NOTICE = (
    "DEMO DATA: no METEOFRANCE_TOKEN is set, so invented weather from the built-in source is used; "
    "it is not what the sky did"
)
DEMO_CHOSEN_NOTICE = (
    "DEMO DATA: METEOFRANCE_SOURCE=demo, so invented weather from the built-in source is used; "
    "it is not what the sky did"
)


def open_client(settings: IngestionSettings) -> MeteoFranceClient:
    """Make the client whose requests the demo application answers."""
    from ingestion.demo.app import create_demo_app  # late: runs on real data do not need it

    transport = httpx.ASGITransport(create_demo_app())
    return MeteoFranceClient(settings.model_copy(update={"meteofrance_url": DEMO_ADDRESS}), transport)


def open_order_client(settings: IngestionSettings) -> OrderClient:
    """Make the client whose orders the demo application answers."""
    from ingestion.demo.app import create_demo_app

    transport = httpx.ASGITransport(create_demo_app())
    return OrderClient(settings.model_copy(update={"meteofrance_url": DEMO_ADDRESS}), transport)


def notice(settings: IngestionSettings) -> str:
    """Say that the data is invented, and which setting chose it."""
    return DEMO_CHOSEN_NOTICE if settings.meteofrance_source == "demo" else DEMO_NOTICE


DEMO = replace(
    METEOFRANCE,
    name="demo",
    title="demo (invented weather; set METEOFRANCE_TOKEN for real)",
    attribution=f"Invented weather of Girouette's demo source; places: {METEOFRANCE.attribution}",
    open_client=open_client,
    notice=notice,
    orders=replace(METEOFRANCE.orders, open_client=open_order_client) if METEOFRANCE.orders else None,
)

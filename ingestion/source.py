"""The one place that decides where requests go: Météo-France, or the embedded demo source."""

import httpx

from ingestion.errors import TokenMissing
from ingestion.meteofrance.client import MeteoFranceClient
from ingestion.settings import IngestionSettings

# Nothing leaves the process: the address only says in logs and errors who answers.
DEMO_ADDRESS = "http://demo.invalid/public/DPPaquetObs"

DEMO_NOTICE = (
    "DEMO DATA: no METEOFRANCE_TOKEN is set, so invented weather from the built-in source is used; "
    "it is not what the sky did"
)
DEMO_CHOSEN_NOTICE = (
    "DEMO DATA: METEOFRANCE_SOURCE=demo, so invented weather from the built-in source is used; "
    "it is not what the sky did"
)


def notice(settings: IngestionSettings) -> str | None:
    """Give the sentence to say loudly when the data is not real; None when it is."""
    if settings.source != "demo":
        return None
    return DEMO_CHOSEN_NOTICE if settings.meteofrance_source == "demo" else DEMO_NOTICE


def open_client(settings: IngestionSettings, transport: httpx.AsyncBaseTransport | None = None) -> MeteoFranceClient:
    """Make the client for the settings' source; `transport` stands in for the network in tests.

    Raises TokenMissing when Météo-France was asked for by name and there is no token.
    """
    if transport is None and settings.source == "demo":
        # Imported late: real runs need none of it.
        from ingestion.demo.app import create_demo_app

        transport = httpx.ASGITransport(create_demo_app())
        settings = settings.model_copy(update={"meteofrance_url": DEMO_ADDRESS})
    if settings.source == "meteofrance" and settings.meteofrance_token is None:
        raise TokenMissing
    return MeteoFranceClient(settings, transport=transport)

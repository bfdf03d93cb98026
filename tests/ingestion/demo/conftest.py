import asyncio
import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from ingestion.demo.app import create_demo_app

BASE_URL = "https://demo.test/public/DPPaquetObs"
NOW = datetime(2026, 11, 23, 5, 12, tzinfo=UTC)


class Demo:
    """The real application through httpx's ASGI transport, at a moment the test can move."""

    def __init__(self, now: datetime = NOW, **options: Any) -> None:
        self.now = now
        self.app = create_demo_app(clock=lambda: self.now, **options)

    def get(self, path: str, headers: dict[str, str] | None = None, **query: str) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport) as client:
                return await client.get(BASE_URL + path, headers=headers, params=query)

        return asyncio.run(send())

    def department(self, code: str = "9", packet_format: str = "csv") -> httpx.Response:
        return self.get("/v2/paquet/horaire", **{"id-departement": code, "format": packet_format})

    def nation(self, hour: datetime, packet_format: str = "csv") -> httpx.Response:
        return self.get("/v2/paquet/stations/horaire", date=hour.strftime("%Y-%m-%dT%H:%M:%SZ"), format=packet_format)


@pytest.fixture
def make_demo() -> type[Demo]:
    return Demo


@pytest.fixture(scope="session")
def shared_demo() -> Demo:
    return Demo()


@pytest.fixture
def demo(shared_demo: Demo) -> Demo:
    """The application without options; the clock is set back for every test."""
    shared_demo.now = NOW
    return shared_demo


@pytest.fixture
def read_csv() -> Callable[[httpx.Response], list[dict[str, str]]]:
    def read(response: httpx.Response) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(response.text), delimiter=";"))

    return read

"""Faults of the network, which no answer can express: the transport raises them."""

from collections.abc import Sequence

import httpx

from ingestion.demo.faults import Fault, FaultKind, FaultPlan

NETWORK_FAULTS: dict[FaultKind, type[httpx.TransportError]] = {
    FaultKind.CONNECT_ERROR: httpx.ConnectError,
    FaultKind.CONNECT_TIMEOUT: httpx.ConnectTimeout,
    FaultKind.READ_ERROR: httpx.ReadError,
    FaultKind.READ_TIMEOUT: httpx.ReadTimeout,
}


class FaultTransport(httpx.AsyncBaseTransport):
    """Wraps a transport and raises the network faults of a list; it leaves the others to the application."""

    def __init__(self, transport: httpx.AsyncBaseTransport, faults: Sequence[Fault]) -> None:
        self._transport = transport
        self._plan = FaultPlan([fault for fault in faults if fault.kind in NETWORK_FAULTS])

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raise the fault that strikes this request, or pass it on."""
        fault = self._plan.take(request.url.path, request.url.params)
        if fault is not None:
            raise NETWORK_FAULTS[fault.kind](f"demo fault: {fault.kind}", request=request)
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the wrapped transport."""
        await self._transport.aclose()

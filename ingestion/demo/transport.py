"""Faults of the network, which no answer can express: the transport raises them."""

from collections.abc import AsyncIterator, Sequence

import httpx

from ingestion.demo.faults import Fault, FaultKind, FaultPlan

NETWORK_FAULTS: dict[FaultKind, type[httpx.TransportError]] = {
    FaultKind.CONNECT_ERROR: httpx.ConnectError,
    FaultKind.CONNECT_TIMEOUT: httpx.ConnectTimeout,
    FaultKind.READ_ERROR: httpx.ReadError,
    FaultKind.READ_TIMEOUT: httpx.ReadTimeout,
    FaultKind.NAME_NOT_FOUND: httpx.ConnectError,
    FaultKind.BAD_CERTIFICATE: httpx.ConnectError,
    FaultKind.STALLED_BODY: httpx.ReadTimeout,
}


# What the network says of itself, where the fault's name is not enough.
_WORDS = {
    FaultKind.NAME_NOT_FOUND: "[Errno -2] Name or service not known",
    FaultKind.BAD_CERTIFICATE: "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed",
}


class _StalledBody(httpx.AsyncByteStream):
    """Half an answer, and then nothing until the reader's patience is over."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"lat;lon;geo_id_insee"
        raise httpx.ReadTimeout(f"demo fault: {FaultKind.STALLED_BODY}")


class FaultTransport(httpx.AsyncBaseTransport):
    """Wraps a transport and raises the network faults of a list; it leaves the others to the application."""

    def __init__(self, transport: httpx.AsyncBaseTransport, faults: Sequence[Fault]) -> None:
        self._transport = transport
        self._plan = FaultPlan([fault for fault in faults if fault.kind in NETWORK_FAULTS])

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raise the fault that strikes this request, or pass it on."""
        fault = self._plan.take(request.url.path, request.url.params)
        if fault is not None and fault.kind == FaultKind.STALLED_BODY:
            return httpx.Response(200, headers={"Content-Type": "text/csv"}, stream=_StalledBody())
        if fault is not None:
            words = _WORDS.get(fault.kind, f"demo fault: {fault.kind}")
            raise NETWORK_FAULTS[fault.kind](words, request=request)
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the wrapped transport."""
        await self._transport.aclose()

"""`python -m api`: the service on API_HOST and API_PORT, behind `make run`."""

import signal
import socket
import sys

import uvicorn

from api.address import address
from api.settings import ApiSettings, get_settings
from ingestion.departments import resolve_all
from ingestion.settings import get_settings as get_ingestion_settings
from orchestration.errors import OrchestrationError
from orchestration.prefect_server.port_owner import describe_owner
from orchestration.settings import OrchestrationSettings, export_prefect_settings
from orchestration.settings import get_settings as get_orchestration_settings

_BACKLOG = 2048  # uvicorn's own


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    settings = get_settings()
    orchestration = get_orchestration_settings()
    _check_shelf(orchestration)
    if orchestration.role == "worker":
        sys.exit(_work())
    if owner := describe_owner(address()):  # uvicorn would tell after all else was started, and not by whom
        another = f"API_PORT={settings.api_port + 1}"
        sys.exit(f"error: {address()} is taken by {owner}: stop it, or choose another port, e.g. {another}")
    # uvicorn raises SIGTERM again once all has ended. A service stopped in order exits with 0.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # Our own middleware writes one line per request; uvicorn's would be a second.
    server = uvicorn.Server(uvicorn.Config("api.main:app", access_log=False, log_config=None))
    try:
        server.run(sockets=[_listen(settings)])
    except KeyboardInterrupt:
        sys.exit(0)
    if not server.started:
        sys.exit(3)


def _check_shelf(orchestration: OrchestrationSettings) -> None:
    if orchestration.shelf_url is None:
        return
    from orchestration.shelf.opening import check_shelf  # not imported without the setting

    try:
        check_shelf(orchestration)
    except OrchestrationError as error:
        sys.exit(f"error: {error}")


def _work() -> int:
    """Serve the schedule without HTTP."""
    export_prefect_settings()  # before any import of Prefect
    from orchestration.service.headless import serve

    return serve(resolve_all(get_ingestion_settings().depts))


def _listen(settings: ApiSettings) -> socket.socket:
    """Listen; connections inherit that the kernel ends them when a reader takes nothing (tcp(7), Linux only)."""
    family = socket.AF_INET6 if ":" in settings.api_host else socket.AF_INET
    listening = socket.create_server((settings.api_host, settings.api_port), family=family, backlog=_BACKLOG)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(settings.stall_seconds * 1000))
    return listening


if __name__ == "__main__":
    main()

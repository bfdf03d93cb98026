"""`python -m api`: the service on API_HOST and API_PORT, behind `make run`."""

import sys

import uvicorn

from api.address import address
from api.settings import get_settings
from orchestration.prefect_server.port_owner import describe_owner


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    settings = get_settings()
    if owner := describe_owner(address()):  # uvicorn would tell after all else was started, and not by whom
        another = f"API_PORT={settings.api_port + 1}"
        sys.exit(f"error: {address()} is taken by {owner}: stop it, or choose another port, e.g. {another}")
    # Our own middleware writes one line per request; uvicorn's would be a second.
    uvicorn.run("api.main:app", host=settings.api_host, port=settings.api_port, access_log=False, log_config=None)


if __name__ == "__main__":
    main()

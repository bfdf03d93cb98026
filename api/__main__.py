"""`python -m api`: the service on API_HOST and API_PORT, behind `make run`."""

import sys

import uvicorn

from api.settings import get_settings
from orchestration.port_owner import describe_owner


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    settings = get_settings()
    host = f"[{settings.api_host}]" if ":" in settings.api_host else settings.api_host
    url = f"http://{host}:{settings.api_port}"
    if owner := describe_owner(url):  # uvicorn would tell after all else was started, and not by whom
        sys.exit(
            f"error: {url} is taken by {owner}: stop it, or choose another port, e.g. API_PORT={settings.api_port + 1}"
        )
    # Our own middleware writes one line per request; uvicorn's would be a second.
    uvicorn.run("api.main:app", host=settings.api_host, port=settings.api_port, access_log=False, log_config=None)


if __name__ == "__main__":
    main()

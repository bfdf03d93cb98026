"""`python -m api`: the service on API_HOST and API_PORT, behind `make run`."""

import uvicorn

from api.settings import get_settings


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    settings = get_settings()
    # Our own middleware writes one line per request; uvicorn's would be a second.
    uvicorn.run("api.main:app", host=settings.api_host, port=settings.api_port, access_log=False, log_config=None)


if __name__ == "__main__":
    main()

"""Where the service is found, told before and after it starts: nothing heavy is imported for it."""

import argparse
import sys
from pathlib import Path

from api.settings import get_settings

_ANY = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on


def address() -> str:
    """Give the address people use: uvicorn's own options when it was started by hand, else our settings."""
    settings = get_settings()
    options = argparse.Namespace(host=settings.api_host, port=settings.api_port)
    if Path(sys.argv[0]).stem == "uvicorn" or sys.argv[0].endswith("uvicorn/__main__.py"):
        parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        options = parser.parse_known_args(sys.argv[1:])[0]
    host = "localhost" if options.host in _ANY else options.host
    return f"http://{f'[{host}]' if ':' in host else host}:{options.port}"

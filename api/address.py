"""Where the service is found, told before and after it starts: nothing heavy is imported for it."""

import argparse
import sys
from functools import lru_cache
from pathlib import Path

from api.settings import ApiSettings, get_settings, read_root_path

_ANY = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on


def address() -> str:
    """Give the address people use: uvicorn's own options when it was started by hand, else our settings."""
    options = _options(tuple(sys.argv), get_settings())
    host = "localhost" if options.host in _ANY else options.host
    return f"http://{f'[{host}]' if ':' in host else host}:{options.port}"


def root_path() -> str:
    """Give the path under which a proxy shows the service, such as `/girouette`; empty at a host's root."""
    root: str = _options(tuple(sys.argv), get_settings()).root_path
    return root


def at(path: str) -> str:
    """Give the address of one of our paths as people reach it, for links and headers."""
    return root_path() + path


@lru_cache(maxsize=8)
def _options(arguments: tuple[str, ...], settings: ApiSettings) -> argparse.Namespace:
    program = arguments[0]
    if Path(program).stem != "uvicorn" and not program.endswith("uvicorn/__main__.py"):
        return argparse.Namespace(host=settings.api_host, port=settings.api_port, root_path=settings.root_path)
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--root-path", type=read_root_path, default=settings.root_path)
    return parser.parse_known_args(arguments[1:])[0]

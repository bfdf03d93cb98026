"""The Prefect server: the one that answers, or one of our own as a child process."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx

from ingestion.paths import DataPaths
from ingestion.settings import get_settings as get_ingestion_settings
from orchestration.errors import ServerNotReady
from orchestration.settings import OrchestrationSettings, get_settings

# Starting takes 10 to 17 s on two cores, more on the first start, when its database is made.
START_SECONDS = 90
STOP_SECONDS = 15


def is_answering(api_url: str) -> bool:
    """Whether a Prefect server answers at this address."""
    try:
        return httpx.get(f"{api_url}/health", timeout=2).json() is True
    except (httpx.HTTPError, ValueError):
        return False


@contextmanager
def running_server(settings: OrchestrationSettings, paths: DataPaths, say: Callable[[str], None]) -> Iterator[None]:
    """Make sure a Prefect server answers: one that does already, or a child stopped at the end.

    Raises ServerNotReady, naming the child's log.
    """
    url = settings.prefect_api_url
    if is_answering(url):
        say(f"using the Prefect server at {url}")
        yield
        return
    child = start_server(url, paths)
    try:
        _wait_until_ready(child, url, paths, say)
        yield
    finally:
        stop_server(child)


def start_server(api_url: str, paths: DataPaths) -> subprocess.Popen[bytes]:
    """Start `prefect server` on the address's host and port, its database under the data directory."""
    paths.logs.mkdir(parents=True, exist_ok=True)
    with (paths.logs / "prefect-server.log").open("ab") as log:
        command, environment = server_command(api_url, paths)
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)  # noqa: S603


def server_command(api_url: str, paths: DataPaths) -> tuple[list[str], dict[str, str]]:
    """Give the command that starts `prefect server`, and its environment."""
    address = urlsplit(api_url)
    home = (paths.root / "prefect").resolve()
    home.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "PREFECT_HOME": str(home),
        "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home / 'prefect.db'}",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_UI_API_URL": api_url,
    }
    environment.pop("PREFECT_API_URL", None)
    command = [sys.executable, "-m", "prefect", "server", "start"]
    command += ["--host", address.hostname or "127.0.0.1", "--port", str(address.port or 4200)]
    return command, environment


def stop_server(child: subprocess.Popen[bytes]) -> None:
    """Stop a server we started; it gets some seconds to close its database."""
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _wait_until_ready(child: subprocess.Popen[bytes], url: str, paths: DataPaths, say: Callable[[str], None]) -> None:
    say(f"starting a Prefect server at {url} (10 to 20 s; log: {paths.logs / 'prefect-server.log'})")
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if is_answering(url):
            return
        if child.poll() is not None:
            raise ServerNotReady(url, f"it ended with {child.returncode}; see {paths.logs / 'prefect-server.log'}")
        time.sleep(0.25)
    raise ServerNotReady(url, f"no answer in {START_SECONDS} s; see {paths.logs / 'prefect-server.log'}")


def main() -> None:
    """Become the server, in the foreground, logging to the terminal."""
    url = get_settings().prefect_api_url
    if is_answering(url):
        sys.exit(f"a Prefect server already answers at {url}; its UI is at {url.removesuffix('/api')}")
    command, environment = server_command(url, DataPaths(get_ingestion_settings().data_dir))
    os.execve(command[0], command, environment)  # noqa: S606


if __name__ == "__main__":
    main()

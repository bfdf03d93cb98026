"""The Prefect server: one that already answers, or our own child process."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import httpx

from ingestion.paths import DataPaths
from orchestration.errors import PortTaken, ServerNotReady
from orchestration.prefect_server.port_owner import describe_owner
from orchestration.settings import OrchestrationSettings

# Starting takes 10 to 17 s on two cores, more on the first start, which creates the database.
START_SECONDS = 90
STOP_SECONDS = 15


def is_answering(api_url: str) -> bool:
    try:
        return httpx.get(f"{api_url}/health", timeout=2).json() is True
    except (httpx.HTTPError, ValueError):
        return False


@contextmanager
def running_server(settings: OrchestrationSettings, paths: DataPaths, say: Callable[[str], None]) -> Iterator[None]:
    """Use the Prefect server that answers, or start a child and stop it at the end.

    Raises ServerNotReady, naming the child's log.
    """
    child = ensure_server(settings.prefect_api_url, paths, say)
    try:
        yield
    finally:
        if child is not None:
            stop_server(child)


def ensure_server(
    url: str, paths: DataPaths, say: Callable[[str], None], is_wanted: Callable[[], bool] = lambda: True
) -> subprocess.Popen[bytes] | None:
    """Wait until a Prefect server answers. Return None if one already did, else our child.

    Raises PortTaken or ServerNotReady. Returns early when `is_wanted` turns false.
    """
    if is_answering(url):
        say(f"using the Prefect server at {url}")
        return None
    if owner := describe_owner(url):
        raise PortTaken(url, owner)
    log = paths.logs / "prefect-server.log"
    say(f"starting a Prefect server at {url} (10 to 20 s; log: {log})")
    child = start_server(url, paths)
    deadline = time.monotonic() + START_SECONDS
    while is_wanted() and not is_answering(url):
        if child.poll() is not None:
            stop_server(child)
            raise ServerNotReady(url, f"it ended with {child.returncode}; see {log}")
        if time.monotonic() > deadline:
            stop_server(child)
            raise ServerNotReady(url, f"no answer in {START_SECONDS} s; see {log}")
        time.sleep(0.25)
    return child


def start_server(api_url: str, paths: DataPaths) -> subprocess.Popen[bytes]:
    """Start a server on the address's host and port. It ends with this process, even when this one is killed."""
    paths.logs.mkdir(parents=True, exist_ok=True)
    with (paths.logs / "prefect-server.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "orchestration.prefect_server", "--end-with-parent"],
            env={**_without_secrets(os.environ), "PREFECT_API_URL": api_url, "DATA_DIR": str(paths.root)},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            process_group=0,  # Ctrl-C stops only the service. A new session would starve readers (run_process.py).
        )


def _without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    secrets = (
        "METEOFRANCE_TOKEN",
        "METEOFRANCE_APPLICATION_ID",
        "API_KEYS",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
    )
    return {name: value for name, value in environment.items() if name not in secrets}


def stop_server(child: subprocess.Popen[bytes]) -> None:
    """Stop a server we started. Give it some seconds to close its database."""
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    if child.stdin is not None:
        child.stdin.close()

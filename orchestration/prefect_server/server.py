"""The Prefect server: the one that answers, or one of our own as a child process."""

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx

from ingestion.paths import DataPaths
from ingestion.settings import get_settings as get_ingestion_settings
from orchestration.errors import PortTaken, ServerNotReady
from orchestration.prefect_server.port_owner import describe_owner
from orchestration.prefect_server.server_shortcuts import (
    collect_garbage_aside,
    let_queue_be_late,
    look_less_often,
    make_database_aside,
    record_tasks_together,
)
from orchestration.settings import OrchestrationSettings, get_settings

# Starting takes 10 to 17 s on two cores, more on the first start, when its database is made.
START_SECONDS = 90
STOP_SECONDS = 15

# What suits a server beside its only client better than the defaults; each can be set otherwise in the environment.
_SUITED = {
    # Longer than clients keep a connection (25 s): else a request now and then meets a closing one, and waits 2 s.
    "PREFECT_SERVER_API_KEEPALIVE_TIMEOUT": "60",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "15",
    "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_LOOP_SECONDS": "60",
    "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT60S",
    "PREFECT_SERVER_SERVICES_FOREMAN_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "30",
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS": "30",
    "PREFECT_SERVER_SERVICES_CLEANUP_RECONCILER_LOOP_SECONDS": "60",
}

# One arena for all its threads: they take turns anyway, and each would keep a few MB.
_FRUGAL = {"MALLOC_ARENA_MAX": "1"}


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
    child = ensure_server(settings.prefect_api_url, paths, say)
    try:
        yield
    finally:
        if child is not None:
            stop_server(child)


def ensure_server(
    url: str, paths: DataPaths, say: Callable[[str], None], is_wanted: Callable[[], bool] = lambda: True
) -> subprocess.Popen[bytes] | None:
    """Return once a Prefect server answers: None when one did already, else our child.

    Raises PortTaken or ServerNotReady, or returns early once the server `is_wanted` no more.
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
    """Start a server on the address's host and port; it ends when this process does, however it ends."""
    paths.logs.mkdir(parents=True, exist_ok=True)
    with (paths.logs / "prefect-server.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "orchestration.prefect_server.server", "--end-with-parent"],
            env={**_FRUGAL, **_without_secrets(os.environ), "PREFECT_API_URL": api_url, "DATA_DIR": str(paths.root)},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            process_group=0,  # Ctrl-C is for the service; a session would take turns with it as a whole (see warm.py)
        )


def _without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in ("METEOFRANCE_TOKEN", "API_KEYS")}


def stop_server(child: subprocess.Popen[bytes]) -> None:
    """Stop a server we started; it gets some seconds to close its database."""
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    if child.stdin is not None:
        child.stdin.close()


def become_server(api_url: str, paths: DataPaths) -> None:
    """Run `prefect server start` in this process, its database under the data directory."""
    address = urlsplit(api_url)
    home = (paths.root / "prefect").resolve()
    home.mkdir(parents=True, exist_ok=True)
    for name, value in _SUITED.items():
        os.environ.setdefault(name, value)
    os.environ["PREFECT_HOME"] = str(home)
    os.environ.setdefault("PREFECT_API_DATABASE_CONNECTION_URL", f"sqlite+aiosqlite:///{home / 'prefect.db'}")
    os.environ["PREFECT_UI_API_URL"] = api_url
    os.environ.pop("PREFECT_API_URL", None)
    sys.argv = ["prefect", "server", "start"]
    sys.argv += ["--host", address.hostname or "127.0.0.1", "--port", str(address.port or 4200)]
    # Imported only now: Prefect reads its settings when it is imported.
    from prefect.cli import app
    from prefect.settings import (
        PREFECT_API_BLOCKS_REGISTER_ON_START,
        PREFECT_API_DATABASE_MIGRATE_ON_START,
        temporary_settings,
    )

    from orchestration.prefect_shortcuts import remember_time_zones
    from orchestration.ticks import tick_less_often

    is_made = make_database_aside()
    look_less_often()
    let_queue_be_late()
    record_tasks_together()
    tick_less_often()
    remember_time_zones()
    collect_garbage_aside(lambda: is_answering(api_url), START_SECONDS)
    made = {PREFECT_API_DATABASE_MIGRATE_ON_START: False, PREFECT_API_BLOCKS_REGISTER_ON_START: False}
    with temporary_settings(made if is_made else {}):
        app()


def _end_with_parent() -> None:
    """Stop when the pipe from the parent closes: a killed service leaves no server behind."""

    def watch() -> None:
        sys.stdin.buffer.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def main() -> None:
    """Become the server, in the foreground, logging to the terminal."""
    parser = argparse.ArgumentParser(prog="python -m orchestration.prefect_server.server", description=__doc__)
    parser.add_argument("--end-with-parent", action="store_true", help="stop when standard input closes")
    options = parser.parse_args()
    url = get_settings().prefect_api_url
    if is_answering(url):
        sys.exit(f"a Prefect server already answers at {url}; its UI is at {url.removesuffix('/api')}")
    if options.end_with_parent:
        _end_with_parent()
    become_server(url, DataPaths(get_ingestion_settings().data_dir))


if __name__ == "__main__":
    main()

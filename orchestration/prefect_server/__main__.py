"""`python -m orchestration.prefect_server`: `prefect server start` with our settings, its database in DATA_DIR."""

import argparse
import os
import runpy
import signal
import sys
import threading
from urllib.parse import urlsplit

from ingestion.paths import DataPaths
from ingestion.settings import get_settings as get_ingestion_settings
from orchestration.prefect_server.garbage import collect_in_a_thread
from orchestration.prefect_server.server import is_answering
from orchestration.settings import export_prefect_settings, get_settings

# Prefect's documented settings for a server with one client on the same machine. The environment wins.
_SETTINGS = {
    # Longer than clients keep a connection (25 s). Otherwise a request may hit a closing one and wait 2 s.
    "PREFECT_SERVER_API_KEEPALIVE_TIMEOUT": "60",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # In memory, Prefect's default, the slot of a run is forgotten by a server that starts again: its client then ends
    # the run in the middle (410 Gone).
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    # Prefect's default deletes events after 7 days and keeps runs for ever. Runs go with their tasks, states, logs and
    # artifacts, 90 days after their end (PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD).
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
}

# These loops clean up after other machines, so with SQLite, which serves one machine, they may run less often.
_FOR_ONE_MACHINE = {
    "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_LOOP_SECONDS": "60",
    "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT60S",
    "PREFECT_SERVER_SERVICES_FOREMAN_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "30",
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS": "30",
    "PREFECT_SERVER_SERVICES_CLEANUP_RECONCILER_LOOP_SECONDS": "60",
}


def main() -> None:
    """Run the server in the foreground, logging to the terminal."""
    parser = argparse.ArgumentParser(prog="python -m orchestration.prefect_server", description=__doc__)
    parser.add_argument("--end-with-parent", action="store_true", help="stop when standard input closes")
    options = parser.parse_args()
    export_prefect_settings()
    url = get_settings().prefect_api_url
    if is_answering(url):
        sys.exit(f"a Prefect server already answers at {url}; its UI is at {url.removesuffix('/api')}")
    if options.end_with_parent:
        _end_with_parent()
    export_settings(url, DataPaths(get_ingestion_settings().data_dir))
    if is_sqlite():
        collect_in_a_thread()
    address = urlsplit(url)
    sys.argv = ["prefect", "server", "start"]
    sys.argv += ["--host", address.hostname or "127.0.0.1", "--port", str(address.port or 4200)]
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)


def is_sqlite() -> bool:
    """Whether the server's database is a file of its own: then it serves one machine."""
    return os.environ["PREFECT_API_DATABASE_CONNECTION_URL"].startswith("sqlite")


def export_settings(url: str, paths: DataPaths) -> None:
    home = (paths.root / "prefect").resolve()
    home.mkdir(parents=True, exist_ok=True)
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    os.environ["PREFECT_HOME"] = str(home)
    given = get_settings().prefect_api_database_connection_url  # of .env, which Prefect does not read
    database = given.get_secret_value() if given else f"sqlite+aiosqlite:///{home / 'prefect.db'}"
    os.environ.setdefault("PREFECT_API_DATABASE_CONNECTION_URL", database)
    if is_sqlite():
        for name, value in _FOR_ONE_MACHINE.items():
            os.environ.setdefault(name, value)
    os.environ["PREFECT_UI_API_URL"] = url
    # A page of another origin is not to change anything here: Prefect's own defaults let it.
    os.environ.setdefault("PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS", ",".join(_ui_origins(url)))
    os.environ.setdefault("PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED", "true")
    if get_settings().prefect_auth:
        os.environ["PREFECT_SERVER_API_AUTH_STRING"] = os.environ["PREFECT_API_AUTH_STRING"]
    os.environ.pop("PREFECT_API_URL", None)


def _ui_origins(url: str) -> list[str]:
    """Give the origins under which a browser on this machine opens the UI."""
    address = urlsplit(url)
    hosts = [address.hostname or "127.0.0.1"]
    if hosts[0] in ("127.0.0.1", "localhost"):
        hosts = ["127.0.0.1", "localhost"]
    return [f"{address.scheme}://{f'[{host}]' if ':' in host else host}:{address.port or 4200}" for host in hosts]


def _end_with_parent() -> None:
    """Stop when the pipe from the parent closes, so that a killed service leaves no server."""

    def watch() -> None:
        sys.stdin.buffer.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


if __name__ == "__main__":
    main()

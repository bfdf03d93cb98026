"""The table a person sees when the service starts."""

import asyncio
import sys

from api.address import address, root_path
from api.settings import get_settings
from ingestion.departments import label_of
from ingestion.settings import IngestionSettings
from ingestion.settings import get_settings as get_ingestion_settings
from ingestion.sources import SOURCES
from orchestration.errors import OrchestrationError
from orchestration.service.service import Service
from orchestration.snapshots.snapshots import served_snapshot


async def print_start_table(service: Service) -> None:
    """Print where things are, once the leader knows them; followers print nothing."""
    while not _is_known(service):
        if service.health.role == "follower":
            return
        await asyncio.sleep(0.2)
    rows = describe_reader(service) if service.health.role == "reader" else await describe(service)
    width = max(len(name) for name, _ in rows)
    lines = [f"  {name:<{width}}  {value}" for name, value in rows]
    rule = "  " + "─" * max(len(line) for line in lines)
    print("\n".join(["", rule, *lines, rule, ""]), file=sys.stderr, flush=True)  # noqa: T201 - for the person


def _is_known(service: Service) -> bool:
    if service.health.role == "reader":
        return service.health.shelf in ("following", "behind")
    return service.health.schedule in ("active", "paused")


async def describe(service: Service) -> list[tuple[str, str]]:
    """Give the table's rows."""
    url = address() + root_path()
    snapshot = served_snapshot(service.paths)
    try:
        schedule = await service.runs.schedule()
        times = schedule.next_times
        departments = label_of(schedule.departments)
        following = f"{times[0]:%Y-%m-%d %H:%M} UTC (cron `{schedule.cron}`)" if times else "paused"
    except OrchestrationError as error:
        departments, following = label_of(service.departments), str(error)
    keys = get_settings().api_keys
    if keys:
        changes = f"with an API key ({len(keys)} known)"
    elif root_path():
        changes = "from nobody: behind a proxy (ROOT_PATH) they need API_KEYS"
    else:
        changes = "from this user's programs only (no API_KEYS set)"
    return [
        ("Page", url),
        ("API", url),
        ("Docs", f"{url}/docs"),
        ("Prefect UI", describe_prefect_ui(service)),
        ("Source", describe_source(get_ingestion_settings())),
        ("Data folder", str(service.paths.root.resolve())),
        ("Départements", departments),
        ("Newest observation", (snapshot and snapshot.newest_observation) or "none yet: a first run fetches them"),
        ("Next run", following),
        ("Changes", changes),
        ("Try", f"curl -X POST '{url}/runs?dept=9'"),
    ]


def describe_reader(service: Service) -> list[tuple[str, str]]:
    """Give the table's rows of a host that only reads."""
    url = address() + root_path()
    snapshot = served_snapshot(service.paths)
    return [
        ("Page", url),
        ("API", url),
        ("Docs", f"{url}/docs"),
        ("Follows", str(service.settings.shelf_url)),
        ("Data folder", str(service.paths.root.resolve())),
        ("Newest observation", (snapshot and snapshot.newest_observation) or "none yet: a worker publishes them"),
        ("Runs", service.health.reasons.get("prefect") or f"passed on to {service.settings.prefect_api_url}"),
    ]


def describe_source(settings: IngestionSettings) -> str:
    """Name the source, and a token that ends soon."""
    source = SOURCES[settings.source]
    warning = source.notice(settings) if source.notice and settings.source != "demo" else None
    return f"{source.title}; {warning}" if warning else source.title


def describe_prefect_ui(service: Service) -> str:
    """Say where Prefect's UI is, and who may use it."""
    url = service.settings.prefect_api_url.removesuffix("/api")
    if service.settings.prefect_auth:
        return f"{url} (password: {service.paths.prefect_password})"
    return f"{url} (open to programs of this machine; PREFECT_AUTH=true asks for a password)"

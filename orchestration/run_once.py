"""Run the flow once from a terminal, recorded when a Prefect server answers."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import httpx
from prefect import Flow
from prefect.client.schemas.objects import State

from ingestion.departments import Department
from ingestion.paths import DataPaths
from ingestion.settings import get_settings as get_ingestion_settings
from orchestration import pipeline
from orchestration.prefect_server.server import is_answering
from orchestration.runs.parameters import as_parameter
from orchestration.runs.prefect_client import not_ready
from orchestration.settings import get_settings
from orchestration.shelf.opening import open_shelf


def say(line: str) -> None:
    """Print one line with the time in UTC, at once."""
    print(f"{datetime.now(UTC):%H:%M:%S} {line}", flush=True)  # noqa: T201 - the command line's voice


def run_once(flow: Flow[..., Any], departments: Sequence[Department], *, full: bool = False) -> int:
    """Run the pipeline once: as a Prefect run when a server answers, else the same steps without one.

    Prefect's own fallback, a temporary server, takes longer to start than the whole run.
    """
    url = get_settings().prefect_api_url
    if not is_answering(url):
        say(f"no Prefect server answers at {url}: the run is not recorded (`make prefect-server` starts one)")
        ingestion = get_ingestion_settings()
        shelf = open_shelf(get_settings(), DataPaths(ingestion.data_dir))
        steps = pipeline.plain_steps(ingestion, get_settings(), None, say, shelf)
        say(str(pipeline.run_pipeline(departments, steps, ingestion, say, full=full)))
        return 0
    try:
        state = cast("State", flow(as_parameter(departments), full=full, return_state=True))
    except httpx.HTTPError as error:  # the run could not be recorded at all
        raise not_ready(url, error) from error
    say(f"{state.name}: {state.message}")
    return 0 if state.is_completed() else 1

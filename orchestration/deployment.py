"""The two ways to run the flow from a terminal: once, or served on the schedule."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

from prefect import Flow
from prefect import serve as prefect_serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy, State
from prefect.deployments.runner import RunnerDeployment

from ingestion.departments import Department, label_of
from ingestion.paths import DataPaths
from ingestion.settings import get_settings as get_ingestion_settings
from orchestration import pipeline
from orchestration.server import is_answering, running_server
from orchestration.settings import get_settings

DEPLOYMENT_NAME = "weather-hourly-deployment"


def as_texts(dept: str | Sequence[str]) -> list[str]:
    """Give the flow's `dept` parameter as a list, however it was written."""
    return [dept] if isinstance(dept, str) else list(dept)


def as_parameter(departments: Sequence[Department]) -> str | list[str]:
    """Give départements as the flow's `dept` parameter: one code, or a list."""
    codes = [department.code for department in departments]
    return codes[0] if len(codes) == 1 else codes


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
        steps = pipeline.plain_steps(ingestion, get_settings(), None, say)
        say(str(pipeline.run_pipeline(departments, steps, ingestion, say, full=full)))
        return 0
    state = cast("State", flow(as_parameter(departments), full=full, return_state=True))
    say(f"{state.name}: {state.message}")
    return 0 if state.is_completed() else 1


def serve(flow: Flow[..., Any], departments: Sequence[Department]) -> int:
    """Serve the deployment on its cron, one run at a time, until SIGTERM or Ctrl-C.

    The schedule stays active when serving ends: runs that fall due meanwhile wait, late, for the next start.
    """
    settings = get_settings()
    with running_server(settings, DataPaths(get_ingestion_settings().data_dir), say):
        deployment = cast(
            "RunnerDeployment",
            flow.to_deployment(
                name=DEPLOYMENT_NAME,
                cron=settings.schedule_cron,
                parameters={"dept": as_parameter(departments)},
                concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE),
                description="Fetches, lands, builds, tests and publishes the observations of its départements.",
            ),
        )
        say(f"serving {flow.name}/{DEPLOYMENT_NAME}: {label_of(departments)}, cron `{settings.schedule_cron}` (UTC)")
        prefect_serve(deployment, pause_on_shutdown=False, print_starting_message=False, limit=1)
    return 0

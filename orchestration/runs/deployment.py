"""The deployment `weather-hourly-deployment`: its work pool, its registration, and its schedule over time."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from cronsim import CronSim, CronSimError
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate, WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.workers.process import ProcessWorker

from ingestion.departments import Department, resolve_all
from orchestration.errors import BadSchedule
from orchestration.runs.parameters import as_parameter, as_texts
from orchestration.settings import ROOT

log = logging.getLogger("girouette.deployment")

FLOW_NAME = "weather_hourly_pipeline"
DEPLOYMENT_NAME = "weather-hourly-deployment"
WORK_POOL = "girouette"

_PARAMETER_SCHEMA = {
    "title": "Parameters",
    "type": "object",
    "properties": {
        "dept": {
            "title": "dept",
            "description": "Département: a code or a name, a list of them, or `all`.",
            "default": "9",
            "position": 0,
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        },
        "full": {
            "title": "full",
            "description": "Build and publish even when nothing is new.",
            "default": False,
            "position": 1,
            "type": "boolean",
        },
    },
}


@dataclass(frozen=True)
class Schedule:
    """When the deployment runs by itself, and for which départements."""

    deployment_id: UUID
    cron: str
    departments: tuple[Department, ...]
    is_active: bool

    def next_times(self, count: int = 5) -> list[datetime]:
        """Give the next times the cron matches, in UTC; none while paused."""
        if not self.is_active:
            return []
        times = CronSim(self.cron, datetime.now(UTC))
        return [next(times) for _ in range(count)]


async def register_deployment(
    client: PrefectClient, cron: str, departments: Sequence[Department], data_dir: Path
) -> Schedule:
    """Create the deployment and its work pool, or bring them up to date: its runs write to this data directory.

    A schedule changed over HTTP or in Prefect's UI outlives restarts, until the settings themselves change:
    the version notes the settings that were applied last.
    """
    check_cron(cron)
    pool = WorkPoolCreate(
        name=WORK_POOL,
        type=ProcessWorker.type,
        description="Runs of Girouette: a process each, on this machine.",
        base_job_template=ProcessWorker.get_default_base_job_template(),
    )
    with suppress(ObjectAlreadyExists):
        await client.create_work_pool(pool)
    version = f"{cron} {','.join(as_texts(as_parameter(departments)))}"
    known = await _find(client)
    if known is not None and known.version == version and known.schedules:
        schedules = [
            DeploymentScheduleCreate(schedule=s.schedule, active=s.active, slug=s.slug) for s in known.schedules
        ]
        parameters, is_paused = known.parameters, known.paused
    else:
        schedules = [DeploymentScheduleCreate(schedule=CronSchedule(cron=cron, timezone="UTC"), active=True)]
        parameters, is_paused = {"dept": as_parameter(departments)}, False
    # Whichever worker takes a run, it writes where this service reads.
    job_variables = {"env": {"DATA_DIR": str(data_dir.resolve())}}
    if known is not None and known.job_variables not in ({}, job_variables):
        log.warning("the deployment belonged to %s and now to %s", known.job_variables, job_variables)
    await client.create_deployment(
        flow_id=await client.create_flow_from_name(FLOW_NAME),
        name=DEPLOYMENT_NAME,
        version=version,
        description="Fetches, lands, builds, tests and publishes the observations of its départements.",
        path=str(ROOT),
        entrypoint=f"orchestration/flow_prefect.py:{FLOW_NAME}",
        pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}],
        work_pool_name=WORK_POOL,
        schedules=schedules,
        parameters=parameters,
        job_variables=job_variables,
        paused=is_paused,
        parameter_openapi_schema=_PARAMETER_SCHEMA,
        concurrency_limit=1,
        concurrency_options=ConcurrencyOptions(collision_strategy=ConcurrencyLimitStrategy.ENQUEUE),
    )
    return await read_schedule(client)


async def read_schedule(client: PrefectClient) -> Schedule:
    """Read the schedule as Prefect holds it; raises ObjectNotFound before the first registration."""
    deployment = await client.read_deployment_by_name(f"{FLOW_NAME}/{DEPLOYMENT_NAME}")
    crons = [(s.schedule.cron, s.active) for s in deployment.schedules if isinstance(s.schedule, CronSchedule)]
    return Schedule(
        deployment_id=deployment.id,
        cron=crons[0][0] if crons else "",
        departments=resolve_all(as_texts(deployment.parameters.get("dept", "9"))),
        is_active=bool(crons) and crons[0][1] and not deployment.paused,
    )


async def change_schedule(
    client: PrefectClient,
    *,
    cron: str | None = None,
    departments: Sequence[Department] | None = None,
    is_active: bool | None = None,
) -> Schedule:
    """Change what is given, leave the rest; raises BadSchedule for an impossible cron."""
    if cron is not None:
        check_cron(cron)
    now = await read_schedule(client)
    if departments is not None:
        update = DeploymentUpdate(parameters={"dept": as_parameter(departments)})
        await client.update_deployment(now.deployment_id, update)
    for schedule in await client.read_deployment_schedules(now.deployment_id):
        await client.update_deployment_schedule(
            now.deployment_id,
            schedule.id,
            active=is_active if is_active is not None else now.is_active,
            # A new cron also makes Prefect plan its runs anew, with the parameters of now.
            schedule=CronSchedule(cron=cron or now.cron, timezone="UTC"),
        )
    if is_active:
        await client.resume_deployment(now.deployment_id)
    return await read_schedule(client)


def check_cron(cron: str) -> None:
    """Raise BadSchedule unless the expression names times that come."""
    try:
        next(CronSim(cron, datetime.now(UTC)))
    except (CronSimError, StopIteration) as error:
        raise BadSchedule(cron, str(error) or "it names no time that comes") from error


async def _find(client: PrefectClient) -> DeploymentResponse | None:
    try:
        return await client.read_deployment_by_name(f"{FLOW_NAME}/{DEPLOYMENT_NAME}")
    except ObjectNotFound:
        return None

"""The deployment `weather-hourly-deployment`: its work pool, its registration, and its schedule over time."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate, WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.server.schemas.schedules import CronSchedule as ServerCronSchedule
from prefect.workers.process import ProcessWorker
from pydantic import ValidationError

from ingestion.departments import Department
from orchestration.errors import BadSchedule
from orchestration.runs.find_runs import find_runs
from orchestration.runs.parameters import as_parameter, as_texts, departments_in
from orchestration.runs.takeover import HEARTBEAT_SECONDS
from orchestration.settings import ROOT

log = logging.getLogger("girouette.deployment")

FLOW_NAME = "weather_hourly_pipeline"
DEPLOYMENT_NAME = "weather-hourly-deployment"
WORK_POOL = "girouette"

_TIMES_TOLD = 5
_CRON_FIELDS = 5
# Prefect plans at least the runs due within this time.
_PLANNED_AHEAD = timedelta(days=1)

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
    departments: tuple[Department, ...]  # none when they cannot be read: Prefect's UI takes any text
    is_active: bool
    next_times: tuple[datetime, ...] = ()  # in UTC; none while paused
    is_planned: bool = True  # False: the schedule is active, and Prefect has planned no run for the next due time


async def register_deployment(
    client: PrefectClient, cron: str, departments: Sequence[Department], data_dir: Path | None
) -> Schedule:
    """Create or update the deployment and its work pool. Its runs write to `data_dir`, or each host to its own.

    A schedule changed over HTTP or in Prefect's UI survives restarts until the settings change.
    The deployment's version records the settings applied last.
    """
    await check_cron(cron)
    await _register_work_pool(client, data_dir)
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
        job_variables={},
        paused=is_paused,
        parameter_openapi_schema=_PARAMETER_SCHEMA,
        concurrency_limit=1,
        concurrency_options=ConcurrencyOptions(collision_strategy=ConcurrencyLimitStrategy.ENQUEUE),
    )
    return await read_schedule(client)


async def _register_work_pool(client: PrefectClient, data_dir: Path | None) -> None:
    """Create the work pool, or bring it up to date.

    Its template takes no variable but a name. So a caller of Prefect's API cannot choose a run's command or
    environment: not the address that gets the token, not the source, not the data folder. Whichever worker takes a
    run, it writes where this service reads. Hosts that share a shelf write each to a folder of their own.
    """
    alone = {"DATA_DIR": str(data_dir.resolve())} if data_dir else None
    # For ordinary Prefect workers; ours do the same (run_process.py).
    beside = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS), "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500"}
    environment = alone or beside
    template: dict[str, Any] = {
        "job_configuration": {
            "env": environment,
            "name": "{{ name }}",
            "stream_output": True,
            "working_dir": str(ROOT),
        },
        "variables": {
            "type": "object",
            "properties": {"name": {"type": "string", "title": "Name"}},
            "additionalProperties": False,
        },
    }
    pool = WorkPoolCreate(
        name=WORK_POOL,
        type=ProcessWorker.type,
        description="Runs of Girouette: a process each, on this machine.",
        base_job_template=template,
    )
    try:
        await client.create_work_pool(pool)
    except ObjectAlreadyExists:
        known = (await client.read_work_pool(WORK_POOL)).base_job_template
        if known != template:
            before, now = known.get("job_configuration", {}), template["job_configuration"]
            if before.get("env") != environment:
                log.warning(
                    "the work pool's runs had the environment %s, and now have %s", before.get("env"), environment
                )
            elif before.get("working_dir") != now["working_dir"]:  # ours are forked, so only other workers care
                places = before.get("working_dir"), now["working_dir"]
                log.info("an ordinary Prefect worker looked for the code in %s, and now does in %s", *places)
            await client.update_work_pool(WORK_POOL, WorkPoolUpdate(base_job_template=template))


async def read_deployment_id(client: PrefectClient) -> UUID:
    """Return the deployment's id. Raises ObjectNotFound before the first registration."""
    return (await client.read_deployment_by_name(f"{FLOW_NAME}/{DEPLOYMENT_NAME}")).id


async def read_schedule(client: PrefectClient) -> Schedule:
    """Read the schedule as Prefect holds it; raises ObjectNotFound before the first registration."""
    deployment = await client.read_deployment_by_name(f"{FLOW_NAME}/{DEPLOYMENT_NAME}")
    crons = [(s.schedule.cron, s.active) for s in deployment.schedules if isinstance(s.schedule, CronSchedule)]
    cron = crons[0][0] if crons else ""
    is_active = bool(crons) and crons[0][1] and not deployment.paused
    planned = await _planned_times(client, deployment.id) if is_active else []
    # Prefect plans three runs ahead, and none yet within seconds of a change. Its schedule class foretells the rest.
    foretold = await _foretell(cron) if is_active else []
    times = [*planned, *(time for time in foretold if not planned or time > planned[-1])][:_TIMES_TOLD]
    return Schedule(
        deployment_id=deployment.id,
        cron=cron,
        departments=departments_in(deployment.parameters),
        is_active=is_active,
        next_times=tuple(times),
        is_planned=bool(planned) or not times or times[0] > datetime.now(UTC) + _PLANNED_AHEAD,
    )


async def _planned_times(client: PrefectClient, deployment_id: UUID) -> list[datetime]:
    runs = await find_runs(
        client,
        deployment_id,
        states=[StateType.SCHEDULED],
        after=datetime.now(UTC),
        limit=_TIMES_TOLD,
        sort=FlowRunSort.EXPECTED_START_TIME_ASC,
    )
    return [run.expected_start_time for run in runs if run.auto_scheduled and run.expected_start_time is not None]


async def change_schedule(
    client: PrefectClient,
    *,
    cron: str | None = None,
    departments: Sequence[Department] | None = None,
    is_active: bool | None = None,
) -> Schedule:
    """Change only what is given. Raises BadSchedule for an invalid cron expression."""
    if cron is not None:
        await check_cron(cron)
    now = await read_schedule(client)
    if departments is not None:
        update = DeploymentUpdate(parameters={"dept": as_parameter(departments)})
        await client.update_deployment(now.deployment_id, update)
    for schedule in await client.read_deployment_schedules(now.deployment_id):
        await client.update_deployment_schedule(
            now.deployment_id,
            schedule.id,
            active=is_active if is_active is not None else now.is_active,
            # Setting the cron makes Prefect plan the runs again, with the current parameters.
            schedule=CronSchedule(cron=cron or now.cron, timezone="UTC"),
        )
    if is_active:
        await client.resume_deployment(now.deployment_id)
    return await read_schedule(client)


async def check_cron(cron: str) -> None:
    """Raise BadSchedule unless Prefect can run the expression: five fields, or a name such as `@hourly`."""
    if not cron.startswith("@") and len(cron.split()) > _CRON_FIELDS:
        raise BadSchedule(cron, "a sixth field means seconds to Prefect, and upstream has new hours only")
    try:
        times = await _foretell(cron)
    except Exception as error:  # croniter inside Prefect raises errors of many types
        raise BadSchedule(cron, _why_refused(error)) from error
    if not times:
        raise BadSchedule(cron, "it has no future time")


async def _foretell(cron: str) -> list[datetime]:
    """Return the next times, from the class that Prefect's server plans runs with."""
    schedule = ServerCronSchedule(cron=cron, timezone="UTC")
    return [time.astimezone(UTC) for time in await schedule.get_dates(_TIMES_TOLD, datetime.now(UTC))]


def _why_refused(error: Exception) -> str:
    """Say in one line why Prefect refuses a cron expression."""
    if isinstance(error, ValidationError):
        return str(error.errors()[0]["ctx"]["error"]) if "ctx" in error.errors()[0] else error.errors()[0]["msg"]
    return " ".join(str(error).split()) or "it has no future time"


async def _find(client: PrefectClient) -> DeploymentResponse | None:
    try:
        return await client.read_deployment_by_name(f"{FLOW_NAME}/{DEPLOYMENT_NAME}")
    except ObjectNotFound:
        return None

"""The archive's two deployments: `weather-archive-backfill`, and `weather-archive-refresh` each day.

They have a queue of their own in the work pool, which lets one run through at a time. So the hourly run never waits for
them.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.states import Cancelled, Crashed, Scheduled

from ingestion.archive.datasets import ARCHIVE_DATASETS
from orchestration.runs.deployment import WORK_POOL
from orchestration.runs.recovery import end_run, find_orphans
from orchestration.settings import ROOT

BACKFILL_FLOW, BACKFILL_DEPLOYMENT = "weather_archive_backfill", "weather-archive-backfill"
REFRESH_FLOW, REFRESH_DEPLOYMENT = "weather_archive_refresh", "weather-archive-refresh"
ARCHIVE_QUEUE = "archive"
# Météo-France writes the archive at 07:30 and 10:30 UTC.
REFRESH_CRON = "50 10 * * *"
FIRST_YEAR = 1991

_CODES = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
_YEAR = {"anyOf": [{"type": "integer"}, {"type": "null"}]}
_BACKFILL_SCHEMA: dict[str, Any] = {
    "title": "Parameters",
    "type": "object",
    "properties": {
        "dept": _CODES
        | {"title": "dept", "position": 0, "default": "9", "description": "Département: codes or names, or `all`."},
        "datasets": _CODES
        | {
            "title": "datasets",
            "position": 1,
            "default": "days",
            "description": f"Data sets of the archive: {', '.join(ARCHIVE_DATASETS)}.",
        },
        "since": _YEAR
        | {"title": "since", "position": 2, "default": FIRST_YEAR, "description": "Leave out files that end before."},
        "to": _YEAR
        | {"title": "to", "position": 3, "default": None, "description": "Leave out files that begin after."},
    },
}


async def register_archive(client: PrefectClient) -> tuple[UUID, UUID]:
    """Create or update both deployments and their queue; return the ids of back-fill and refresh.

    The work pool is registered before. A refresh rescheduled or paused in Prefect's UI stays so.
    """
    await _register_queue(client)
    backfill = await _register(
        client,
        BACKFILL_FLOW,
        BACKFILL_DEPLOYMENT,
        "Loads the open archive's files of some départements and years. Killed, it goes on where it stood.",
        parameters={"dept": "9", "datasets": "days", "since": FIRST_YEAR, "to": None},
        schedules=[],
        parameter_openapi_schema=_BACKFILL_SCHEMA,
    )
    known = await _find(client, f"{REFRESH_FLOW}/{REFRESH_DEPLOYMENT}")
    planned = [(s.schedule, s.active) for s in known.schedules] if known else []
    refresh = await _register(
        client,
        REFRESH_FLOW,
        REFRESH_DEPLOYMENT,
        "Loads what changed in the archive since the day before, of the départements loaded so far.",
        parameters={},
        schedules=[
            DeploymentScheduleCreate(schedule=schedule, active=active)
            for schedule, active in planned or [(CronSchedule(cron=REFRESH_CRON, timezone="UTC"), True)]
        ],
        paused=known.paused if known else False,
        parameter_openapi_schema={"title": "Parameters", "type": "object", "properties": {}},
    )
    return backfill, refresh


async def read_backfill_id(client: PrefectClient) -> UUID:
    """Return the id of the back-fill's deployment. Raises ObjectNotFound before the first registration."""
    return (await client.read_deployment_by_name(f"{BACKFILL_FLOW}/{BACKFILL_DEPLOYMENT}")).id


async def read_refresh_id(client: PrefectClient) -> UUID:
    """Return the id of the refresh's deployment. Raises ObjectNotFound before the first registration."""
    return (await client.read_deployment_by_name(f"{REFRESH_FLOW}/{REFRESH_DEPLOYMENT}")).id


async def queue_again(client: PrefectClient, run: FlowRun) -> FlowRun:
    """Queue a run like one that ended, or was ended, before its work was done."""
    if run.deployment_id is None:
        raise ObjectNotFound(LookupError(f"run {run.id} has no deployment"))
    return await client.create_flow_run_from_deployment(
        run.deployment_id, name=run.name, parameters=run.parameters, tags=run.tags, state=Scheduled()
    )


async def hand_over(
    client: PrefectClient, run: FlowRun, why: str, end_process: Callable[[], None] = lambda: None
) -> FlowRun:
    """End a run as Crashed, after queueing another that goes on where it stood."""
    successor = await queue_again(client, run)  # first: a kill between the two leaves one too many, not none
    await asyncio.to_thread(end_process)
    await end_run(client, run.id, Crashed(message=f"{why}; run {successor.id} goes on where it stood"))
    return successor


async def hand_over_orphans(
    client: PrefectClient,
    worker_name: str,
    alive: Callable[[], Collection[UUID]] = tuple,
    is_ours: Callable[[FlowRun], bool] | None = None,
) -> list[FlowRun]:
    """Hand over the runs of our worker that have lost their process; return those that go on."""
    runs = []
    for deployment_id in await register_archive(client):
        for run in await find_orphans(client, deployment_id, worker_name, alive, is_ours):
            if run.state is not None and run.state.is_cancelling():
                await end_run(client, run.id, Cancelled(message="cancelled on request"))
            else:
                runs.append(await hand_over(client, run, "its process ended with the service that ran it"))
    return runs


async def _register_queue(client: PrefectClient) -> None:
    try:
        await client.create_work_queue(ARCHIVE_QUEUE, work_pool_name=WORK_POOL, concurrency_limit=1)
    except ObjectAlreadyExists:
        queue = await client.read_work_queue_by_name(ARCHIVE_QUEUE, work_pool_name=WORK_POOL)
        if queue.concurrency_limit != 1:
            await client.update_work_queue(queue.id, concurrency_limit=1)


async def _register(client: PrefectClient, flow: str, name: str, description: str, **facts: Any) -> UUID:
    return await client.create_deployment(
        flow_id=await client.create_flow_from_name(flow),
        name=name,
        description=description,
        path=str(ROOT),
        entrypoint=f"orchestration/flow_prefect.py:{flow}",
        pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}],
        work_pool_name=WORK_POOL,
        work_queue_name=ARCHIVE_QUEUE,
        job_variables={},
        **facts,
    )


async def _find(client: PrefectClient, name: str) -> Any:
    try:
        return await client.read_deployment_by_name(name)
    except ObjectNotFound:
        return None

"""/archive/plan and /archive/backfill: what a back-fill of the open archive would fetch, and to start one."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from prefect.client.schemas.objects import FlowRun

from api.address import at
from api.auth import require_key
from api.errors import problem_responses
from api.schemas.archive import ArchivePlan, ArchiveRun, ArchiveState, BackfillProgress
from api.schemas.runs import Run, Triggered
from api.service import RunsDep, ServiceDep
from ingestion.archive.ledger import Dataset
from ingestion.archive.listing import open_archive
from ingestion.archive.plan import Wish, plan_backfill
from ingestion.departments import Department, resolve_all
from ingestion.settings import get_settings
from orchestration.runs.archive import FIRST_YEAR
from orchestration.runs.runs import Runs
from orchestration.service.service import Service

router = APIRouter(prefix="/archive", tags=["archive"])

Departments = Annotated[
    list[str] | None,
    Query(description="Département: a code or a name, or `all`; repeats.", examples=["9"], max_length=200),
]
Datasets = Annotated[list[Dataset], Query(alias="dataset", description="Data set; repeats.")]
Since = Annotated[int, Query(ge=1700, le=2200, description="Leave out files that end before this year.")]
To = Annotated[int | None, Query(ge=1700, le=2200, description="Leave out files that begin after this year.")]


@router.get(
    "/plan",
    dependencies=[Depends(require_key)],
    responses=problem_responses(401, 403, 422, 429, 502, 503),
    summary="What a back-fill would fetch",
)
async def read_plan(
    runs: RunsDep,
    service: ServiceDep,
    dept: Departments = None,
    dataset: Datasets = ["days"],  # noqa: B006 - FastAPI copies it
    since: Since = FIRST_YEAR,
    to: To = None,
) -> ArchivePlan:
    """Files, bytes, and rows known already. It asks the archive's listing, so it needs a key as a back-fill does."""
    wish = Wish(await _wanted(runs, dept), _unique(dataset), since, to)
    ledger = await asyncio.to_thread(service.read_ledger)
    async with open_archive(get_settings()) as client:
        return ArchivePlan.of(await plan_backfill(client, ledger, wish))


@router.post(
    "/backfill",
    status_code=202,
    dependencies=[Depends(require_key)],
    responses=problem_responses(401, 403, 422, 429, 503),
    summary="Start a back-fill",
)
async def start_backfill(
    runs: RunsDep,
    service: ServiceDep,
    response: Response,
    dept: Departments = None,
    dataset: Datasets = ["days"],  # noqa: B006 - FastAPI copies it
    since: Since = FIRST_YEAR,
    to: To = None,
) -> Triggered:
    """Load the open archive's files of the départements (without `dept`, those of the schedule) and publish them.

    One back-fill runs at a time, beside the hourly runs. Known files are not fetched again. Follow it with the run's
    `events`, or GET /archive/backfill. When an equal one waits or runs, that one is the answer (`coalesced`).
    """
    ticket = await service.backfills.ask(await _wanted(runs, dept), _unique(dataset), since, to)
    response.headers["Location"] = at(f"/runs/{ticket.run.id}")
    return Triggered(**Run.facts(ticket.run, runs.api_url), coalesced=ticket.is_coalesced)


@router.get("/backfill", responses=problem_responses(422, 429, 503), summary="How the back-fill stands")
async def read_state(service: ServiceDep) -> ArchiveState:
    """The back-fill and the refresh under way, or the last ones, with their progress, and files that failed."""
    backfill, refresh = await service.backfills.newest(), await service.refreshes.newest()
    ledger = await asyncio.to_thread(service.read_ledger)
    return ArchiveState.of(ledger, await _shown(backfill, service), await _shown(refresh, service))


async def _shown(run: FlowRun | None, service: Service) -> ArchiveRun | None:
    if run is None:
        return None
    records = await asyncio.to_thread(service.read_records, str(run.id))
    return ArchiveRun(run=Run(**Run.facts(run, service.runs.api_url)), progress=BackfillProgress.of(records))


async def _wanted(runs: Runs, dept: list[str] | None) -> Sequence[Department]:
    return resolve_all(dept) if dept else (await runs.schedule()).departments


def _unique(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(names))

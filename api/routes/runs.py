"""`/runs`: start runs, list them, end them."""

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from pydantic import AwareDatetime, BeforeValidator
from starlette.concurrency import run_in_threadpool

from api.address import at
from api.auth import require_key
from api.errors import BadCursor, problem_responses
from api.schemas.runs import (
    LatestRuns,
    LogLine,
    LogPage,
    Run,
    RunDetail,
    RunList,
    RunState,
    StateName,
    TaskOut,
    Triggered,
)
from api.service import RunsDep, ServiceDep, within_share
from ingestion.departments import ALL, resolve_all
from orchestration.runs.runs import ENDED, UNDER_WAY, Ticket
from orchestration.snapshots.snapshots import kept_snapshots

router = APIRouter(prefix="/runs", tags=["runs"])

_ASKS = [Depends(within_share)]

Departments = Annotated[
    list[str] | None,
    Query(description="Département: a code or a name, or `all`; repeats.", examples=["9"], max_length=200),
]


def _not_a_number(text: object) -> object:
    """Refuse bare numbers: pydantic would read them as seconds since 1970."""
    if isinstance(text, str) and text.replace(".", "", 1).lstrip("+-").isdecimal():
        raise ValueError("write a time with its offset, e.g. 2026-11-23T06:00:00Z")
    return text


Moment = Annotated[AwareDatetime, BeforeValidator(_not_a_number)]


@router.post(
    "",
    status_code=202,
    dependencies=[Depends(require_key)],
    responses=problem_responses(401, 403, 422, 429, 503),
    summary="Start a run",
)
async def trigger_run(
    runs: RunsDep,
    response: Response,
    dept: Departments = None,
    full: Annotated[bool, Query(description="Build and publish even when nothing is new.")] = False,
    idempotency_key: Annotated[
        str | None, Header(description="Send the same key again to get the same run again.", max_length=200)
    ] = None,
) -> Triggered:
    """Fetch, build, test and publish the départements' newest observations.

    Without `dept`, those of the schedule. When an equal run is waiting or running, that one is the answer
    (`coalesced`). Runs queue behind one another; follow one with its `events`.
    """
    departments = resolve_all(dept) if dept else (await runs.schedule()).departments
    ticket = await runs.trigger(departments, full=full, key=idempotency_key)
    return _accepted(ticket, runs.api_url, response)


@router.get("", dependencies=_ASKS, responses=problem_responses(422, 429, 503), summary="List runs")
async def list_runs(
    runs: RunsDep,
    state: Annotated[list[StateName] | None, Query(description="Prefect's state types; repeats.")] = None,
    dept: Departments = None,
    since: Annotated[Moment | None, Query(description="Due at or after.")] = None,
    until: Annotated[Moment | None, Query(description="Due at or before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(description="`next` of the page before.", max_length=200)] = None,
) -> RunList:
    """Runs that are due or past, newest first; those still to come are in GET /schedule."""
    # Pages are pinned to the time of the first one, so that new runs do not shift them.
    before, offset = _read_cursor(cursor) if cursor else (min(until or datetime.now(UTC), datetime.now(UTC)), 0)
    tags = [f"dept:{d.code}" for d in resolve_all(dept)] + [f"dept:{ALL}"] if dept else []
    found = await runs.find(
        states=[StateType(s) for s in state or []],
        any_tags=tags,
        after=since,
        before=before,
        limit=limit + 1,
        offset=offset,
    )
    following = _write_cursor(before, offset + limit) if len(found) > limit else None
    return RunList(runs=[Run(**Run.facts(run, runs.api_url)) for run in found[:limit]], next=following)


@router.get("/latest", dependencies=_ASKS, responses=problem_responses(422, 429, 503), summary="The last run's state")
async def read_latest(runs: RunsDep) -> LatestRuns:
    """The run in progress, if any, and the last one that ended."""
    # In the order of a run's states, so that none is missed between two queries.
    waiting = await runs.find_all(states=[StateType.SCHEDULED])
    under_way = await runs.find(states=UNDER_WAY, limit=1)
    ended = await runs.find(states=ENDED, limit=1, sort=FlowRunSort.END_TIME_DESC)
    current = under_way[0] if under_way else ended[0] if ended else None
    return LatestRuns(
        state=RunState.of(current.state) if current and current.state else None,
        in_progress=Run(**Run.facts(under_way[0], runs.api_url)) if under_way else None,
        last_finished=Run(**Run.facts(ended[0], runs.api_url)) if ended else None,
        waiting=len({run.id for run in waiting} - {run.id for run in under_way}),
    )


@router.get("/{run_id}", dependencies=_ASKS, responses=problem_responses(404, 422, 429, 503), summary="One run in full")
async def read_run(run_id: UUID, runs: RunsDep, service: ServiceDep) -> RunDetail:
    """States, tasks, packets and dbt nodes, rows, findings, snapshot and error of one run."""
    run = await runs.read(run_id)
    facts = RunDetail.progress_facts(await run_in_threadpool(service.read_records, str(run_id)))
    manifests = {manifest.id: manifest for manifest in kept_snapshots(service.paths)}
    manifest = manifests.get(facts["snapshot"] or "")
    if facts["error"] is None and run.state is not None and (run.state.is_failed() or run.state.is_crashed()):
        facts["error"] = run.state.message
    return RunDetail(
        **Run.facts(run, runs.api_url),
        **facts,
        history=[RunState.of(state) for state in await runs.history(run_id)],
        tasks=[TaskOut.of(task) for task in await runs.tasks(run_id)],
        findings=manifest.row_counts.get("meta.quality_findings") if manifest else None,
    )


@router.get(
    "/{run_id}/logs", dependencies=_ASKS, responses=problem_responses(404, 422, 429, 503), summary="A run's log"
)
async def read_logs(
    run_id: UUID,
    runs: RunsDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 200,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> LogPage:
    """The run's log lines, oldest first, as Prefect's UI shows them."""
    await runs.read(run_id)
    lines = await runs.logs(run_id, limit=limit, offset=offset)
    return LogPage(lines=[LogLine.of(line) for line in lines], next=offset + limit if len(lines) == limit else None)


@router.post(
    "/{run_id}/cancel",
    status_code=202,
    dependencies=[Depends(require_key)],
    responses=problem_responses(401, 403, 404, 409, 422, 429, 503),
    summary="Cancel a run",
)
async def cancel_run(run_id: UUID, runs: RunsDep) -> Run:
    """End a run: at once when it waits, within seconds when it runs. The served snapshot stays as it is."""
    return Run(**Run.facts(await runs.cancel(run_id), runs.api_url))


@router.post(
    "/{run_id}/retry",
    status_code=202,
    dependencies=[Depends(require_key)],
    responses=problem_responses(401, 403, 404, 409, 422, 429, 503),
    summary="Run again",
)
async def retry_run(run_id: UUID, runs: RunsDep, response: Response) -> Triggered:
    """Queue a new run with the parameters of one that has ended; the old one keeps its history."""
    return _accepted(await runs.retry(run_id), runs.api_url, response)


def _accepted(ticket: Ticket, api_url: str, response: Response) -> Triggered:
    response.headers["Location"] = at(f"/runs/{ticket.run.id}")
    return Triggered(**Run.facts(ticket.run, api_url), coalesced=ticket.is_coalesced)


def _write_cursor(before: datetime, offset: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([before.isoformat(), offset]).encode()).decode()


def _read_cursor(cursor: str) -> tuple[datetime, int]:
    try:
        before, offset = json.loads(base64.urlsafe_b64decode(cursor))
        at = datetime.fromisoformat(before)
    except (ValueError, TypeError, binascii.Error) as error:
        raise BadCursor from error
    if at.tzinfo is None or not isinstance(offset, int) or not 0 <= offset <= 10_000_000:
        raise BadCursor
    return at, offset

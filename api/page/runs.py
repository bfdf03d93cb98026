"""The view Runs: what runs, what ran, what comes next; one run in full; buttons that call the API."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request, Response

from api.page.answer import Context, View, answer
from api.routes.runs import list_runs, read_latest, read_logs, read_run
from api.schemas.runs import LogPage, Run, RunDetail, RunList
from api.service import ServiceDep, share_of_questions
from ingestion.departments import all_departments, label_of
from orchestration.errors import OrchestrationError, RunNotFound
from orchestration.runs.deployment import Schedule
from orchestration.service.service import Service

router = APIRouter(include_in_schema=False)

_WAIT_SECONDS = 6
_SHOWN = 25
_LINES = 200


@dataclass(frozen=True)
class RunsNow:
    """What Prefect says, read at once."""

    listed: RunList
    current: Run | None
    waiting: int
    schedule: Schedule
    chosen: RunDetail | None
    logs: LogPage | None


@router.api_route("/page/runs", methods=["GET", "HEAD"])
async def show_runs(request: Request, service: ServiceDep) -> Response:
    """Show the runs and, with `?run=`, one of them in full; without it the one under way, or the last one."""
    live: Context = {
        "departments": all_departments(),
        "health": service.health,
        "log_file": service.paths.logs / "prefect-server.log",
        "now": None,
        "away": None,
        "unknown": None,
        "longest": 0.0,
    }
    wanted = request.query_params.get("run")
    try:
        async with asyncio.timeout(_WAIT_SECONDS), share_of_questions(request):
            now, live["unknown"] = await _read(service, wanted)
        seconds = [run.seconds for run in now.listed.runs if run.seconds]
        live |= {"now": now, "longest": max(seconds, default=0.0), "scheduled": label_of(now.schedule.departments)}
    except (OrchestrationError, TimeoutError) as error:
        live["away"] = str(error) or f"no answer within {_WAIT_SECONDS} s"
    return await answer(request, View("runs.html", live=live, needs_snapshot=False))


async def _read(service: Service, wanted: str | None) -> tuple[RunsNow, str | None]:
    """Read the runs; with them the id asked for when there is no such run."""
    runs = service.runs
    latest = await read_latest(runs)
    listed = await list_runs(runs, state=None, dept=None, since=None, until=None, limit=_SHOWN, cursor=None)
    first = latest.in_progress or next((run for run in listed.runs if run.state.type == "SCHEDULED"), None)
    default = first or latest.last_finished
    chosen, unknown = await _read_one(service, wanted), None
    if chosen is None and wanted:
        unknown = wanted[:60]
    if chosen is None and default is not None:
        chosen = await read_run(default.id, runs, service)
    logs = await read_logs(chosen.id, runs, limit=_LINES, offset=0) if chosen else None
    schedule = await runs.schedule()
    return RunsNow(listed, latest.in_progress, latest.waiting, schedule, chosen, logs), unknown


async def _read_one(service: Service, wanted: str | None) -> RunDetail | None:
    try:
        return await read_run(UUID(wanted), service.runs, service) if wanted else None
    except (ValueError, RunNotFound):
        return None

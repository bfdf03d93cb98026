"""`/schedule`: when the pipeline runs by itself."""

from fastapi import APIRouter, Depends

from api.auth import require_key
from api.errors import problem_responses
from api.schemas.service import ScheduleChange, ScheduleOut
from api.service import RunsDep, ServiceDep, within_share
from ingestion.departments import resolve_all

router = APIRouter(prefix="/schedule", tags=["schedule"])


@router.get(
    "", dependencies=[Depends(within_share)], responses=problem_responses(422, 429, 503), summary="The schedule"
)
async def read_schedule(runs: RunsDep) -> ScheduleOut:
    """When the pipeline runs by itself, for which départements, and the next five times."""
    return ScheduleOut.of(await runs.schedule())


@router.patch(
    "",
    dependencies=[Depends(require_key)],
    responses=problem_responses(400, 401, 403, 422, 429, 503),
    summary="Change the schedule",
)
async def change_schedule(change: ScheduleChange, service: ServiceDep) -> ScheduleOut:
    """Pause, resume, or change the cron or the départements.

    A change survives restarts, until SCHEDULE_CRON or DEPTS changes.
    """
    departments = resolve_all(change.departments) if change.departments else None
    schedule = await service.runs.change_schedule(cron=change.cron, departments=departments, is_active=change.active)
    service.note_schedule(schedule)
    return ScheduleOut.of(schedule)

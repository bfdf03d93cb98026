"""`/health`: liveness and readiness."""

import sqlite3

from fastapi import APIRouter, Response
from starlette.concurrency import run_in_threadpool

from api.schemas.service import Liveness, Part, Readiness
from api.service import ServiceDep
from api.warehouse.answer.dependencies import ReadsDep
from ingestion.errors import StorageFailed
from ingestion.paths import DataPaths
from ingestion.storage import require_room
from orchestration.alerts.tell import open_alerts

router = APIRouter(prefix="/health", tags=["health"])

_WELL = {"ready", "active", "paused", "elsewhere", "cold", "away", "following", "behind"}


@router.get("/live", summary="Liveness")
async def read_liveness() -> Liveness:
    """The process answers; nothing else is checked."""
    return Liveness()


@router.get(
    "/ready",
    responses={503: {"model": Readiness, "description": "Not ready: `parts` says why."}},
    summary="Readiness",
)
async def read_readiness(service: ServiceDep, reads: ReadsDep, response: Response) -> Readiness:
    """Whether warehouse, storage, Prefect, worker and schedule can do their work; 503 with the reasons if not.

    `alerts` holds what the operator was told and is not over; it makes nothing unready.
    """
    health = service.health
    parts = {
        name: Part(state=state, ready=state in _WELL, reason=health.reasons.get(name))
        for name, state in (("prefect", health.prefect), ("worker", health.worker), ("schedule", health.schedule))
    }
    if health.shelf != "none":
        parts["shelf"] = Part(state=health.shelf, ready=health.shelf in _WELL, reason=health.reasons.get("shelf"))
    warehouse = await run_in_threadpool(reads.status)
    alarms = "; ".join(warehouse["alarms"])
    parts["warehouse"] = Part(
        state="alarm" if alarms else "ready" if warehouse["ready"] else "empty",
        ready=warehouse["ready"],
        reason=alarms or warehouse["reason"],
    )
    parts["storage"] = await run_in_threadpool(_storage, service.paths)
    parts["alerts"] = await run_in_threadpool(_alerts, service.paths)
    is_ready = all(part.ready for part in parts.values())
    response.status_code = 200 if is_ready else 503
    return Readiness(ready=is_ready, role=health.role, parts=parts)


def _alerts(paths: DataPaths) -> Part:
    """What the operator was told and is not over. It asks for attention, and stops no reader: ready all the same."""
    try:
        found = open_alerts(paths)
    except (OSError, sqlite3.Error) as error:
        return Part(state="unknown", ready=True, reason=str(error))
    reason = "; ".join(f"{alert.text}: {alert.next_step}" for alert in found)
    return Part(state="alarm" if found else "ready", ready=True, reason=reason or None)


def _storage(paths: DataPaths) -> Part:
    try:
        require_room(paths)
    except StorageFailed as error:
        return Part(state="failed", ready=False, reason=str(error))
    return Part(state="ready", ready=True)

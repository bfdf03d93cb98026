"""`/health`: whether the process lives, and whether it can do its work."""

from fastapi import APIRouter, Response

from api.schemas.service import Liveness, Part, Readiness
from api.service import ServiceDep
from orchestration.snapshots import served_snapshot

router = APIRouter(prefix="/health", tags=["health"])

_WELL = {"ready", "active", "paused", "elsewhere", "cold"}


@router.get("/live", summary="Liveness")
async def read_liveness() -> Liveness:
    """The process answers; nothing else is asked."""
    return Liveness()


@router.get(
    "/ready",
    responses={503: {"model": Readiness, "description": "Not ready: `parts` says why."}},
    summary="Readiness",
)
async def read_readiness(service: ServiceDep, response: Response) -> Readiness:
    """Whether each part can do its work: warehouse, Prefect, worker and schedule; 503 with the reasons if not."""
    health = service.health
    parts = {
        name: Part(state=state, ready=state in _WELL, reason=health.reasons.get(name))
        for name, state in (("prefect", health.prefect), ("worker", health.worker), ("schedule", health.schedule))
    }
    snapshot = served_snapshot(service.paths)
    parts["warehouse"] = Part(
        state="ready" if snapshot else "empty",
        ready=snapshot is not None,
        reason=None if snapshot else "no snapshot yet: the first run publishes one; see GET /runs/latest",
    )
    is_ready = all(part.ready for part in parts.values())
    response.status_code = 200 if is_ready else 503
    return Readiness(ready=is_ready, role=health.role, parts=parts)

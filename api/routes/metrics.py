"""`/metrics`, for Prometheus."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.metrics import registry, take_measure
from api.service import ServiceDep

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"example": "girouette_snapshot_age_seconds 312.0"}}}},
    summary="Metrics",
)
async def read_metrics(service: ServiceDep) -> Response:
    """Runs by state, seconds by step, rows, ages of the snapshot and of the newest observation, requests."""
    await take_measure(service)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

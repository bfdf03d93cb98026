"""Metrics for Prometheus: requests are counted as they happen, everything else is measured when it asks."""

import sqlite3
from collections import Counter as Tally
from datetime import UTC, datetime
from http import HTTPMethod

from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from api.schemas.runs import lasted
from orchestration.alerts.conditions import CONDITIONS, kind_of
from orchestration.errors import OrchestrationError
from orchestration.notices.outbox import count_notices
from orchestration.runs.runs import ENDED
from orchestration.service.service import Service
from orchestration.snapshots.snapshots import served_snapshot

registry = CollectorRegistry()

_METHODS = frozenset(HTTPMethod)

_requests = Counter(
    "girouette_requests", "Requests answered by this process.", ["method", "route", "status"], registry=registry
)
_request_seconds = Histogram(
    "girouette_request_seconds", "Seconds until a request was answered.", ["method", "route"], registry=registry
)
_runs = Gauge("girouette_runs", "Runs by state, of the last 200 that were due.", ["state"], registry=registry)
_run_seconds = Gauge("girouette_last_run_seconds", "Seconds of the last finished run.", registry=registry)
_step_seconds = Gauge(
    "girouette_last_run_step_seconds", "Seconds of the last finished run by step.", ["step"], registry=registry
)
_rows = Gauge("girouette_rows", "Rows of the served snapshot by table.", ["table"], registry=registry)
_snapshot_age = Gauge("girouette_snapshot_age_seconds", "Age of the served snapshot.", registry=registry)
_checked_age = Gauge(
    "girouette_checked_age_seconds", "Time since a run last found the snapshot up to date.", registry=registry
)
_observation_age = Gauge(
    "girouette_newest_observation_age_seconds", "Age of the newest observation served.", registry=registry
)
_alerts = Gauge("girouette_alert", "1 while the operator is told of a condition.", ["condition"], registry=registry)
_watches = Gauge("girouette_watches", "Watches, by whether their event is on.", ["state"], registry=registry)
_unsent = Gauge("girouette_messages_unsent", "Messages that wait to be sent.", registry=registry)
_is_up = Gauge("girouette_part_ready", "Whether a part of the service is ready.", ["part"], registry=registry)


def count_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count one answered request; unknown methods share one label, so that callers cannot invent series."""
    method = method if method in _METHODS else "other"
    _requests.labels(method, route, str(status)).inc()
    _request_seconds.labels(method, route).observe(seconds)


async def take_measure(service: Service) -> None:
    """Update the gauges; Prefect's keep their last value while it does not answer."""
    _measure_warehouse(service)
    _measure_notices(service)
    for part in ("prefect", "worker", "schedule"):
        _is_up.labels(part).set(getattr(service.health, part) in ("ready", "active", "elsewhere", "cold"))
    try:
        states = Tally(run.state_type.value for run in await service.runs.find(limit=200) if run.state_type)
        last = await service.runs.find(states=ENDED, sort=FlowRunSort.END_TIME_DESC, limit=1)
        tasks = await service.runs.tasks(last[0].id) if last else []
    except OrchestrationError:
        return
    for kind in StateType:
        _runs.labels(kind.value).set(states[kind.value])
    if last:
        _run_seconds.set(lasted(last[0].total_run_time))
    steps: dict[str, float] = {}
    for task in tasks:
        step = "ingest" if task.name.startswith("ingest") else task.name
        steps[step] = steps.get(step, 0.0) + lasted(task.total_run_time)
    _step_seconds.clear()
    for step, seconds in steps.items():
        _step_seconds.labels(step).set(seconds)


def _measure_warehouse(service: Service) -> None:
    snapshot = served_snapshot(service.paths)
    _is_up.labels("warehouse").set(snapshot is not None)
    if snapshot is None:
        return
    _snapshot_age.set(_age(snapshot.published_at))
    _checked_age.set(_age(snapshot.checked_at))
    if snapshot.newest_observation:
        _observation_age.set(_age(snapshot.newest_observation))
    for table, rows in snapshot.row_counts.items():
        _rows.labels(table).set(rows)


def _measure_notices(service: Service) -> None:
    try:
        counts = count_notices(service.paths)
    except (OSError, sqlite3.Error):  # the gauges keep their last value
        return
    on = Tally(kind_of(condition) for condition in counts.alerts)
    for condition in CONDITIONS:
        _alerts.labels(condition).set(on[condition])
    _watches.labels("on").set(counts.watches_on)
    _watches.labels("off").set(counts.watches - counts.watches_on)
    _unsent.set(counts.unsent)


def _age(stamp: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(stamp)).total_seconds()

import asyncio
from datetime import UTC, datetime
from itertools import chain
from uuid import UUID, uuid4

import pytest
from prefect._internal.schemas import validators
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.schedules import CronSchedule
from prefect.server.events.schemas.events import ReceivedEvent
from prefect.server.services import task_run_recorder as recorder
from prefect.server.utilities.messaging.memory import MemoryMessage, Topic
from prefect.settings import PREFECT_LOGGING_LEVEL, temporary_settings
from pydantic import ValidationError

from orchestration.prefect_server.server_shortcuts import record_tasks_together
from orchestration.prefect_shortcuts import RunConfiguration, remember_time_zones

REPORTS = 60


def _reports() -> list[ReceivedEvent]:
    now = datetime.now(UTC)
    task = {"prefect.resource.id": f"prefect.task-run.{uuid4()}", "prefect.orchestration": "client"}
    about = {"event": "prefect.task-run.Running", "resource": task, "occurred": now, "received": now}
    return [ReceivedEvent.model_validate(about | {"id": uuid4()}) for _ in range(REPORTS)]


async def _record(reports: list[ReceivedEvent], seconds: float) -> None:
    """Run Prefect's own service on reports that come one after another."""
    topic = Topic.by_name("events")
    service = recorder.TaskRunRecorder()
    serving = asyncio.create_task(service.start())
    await service.started_event.wait()
    for report in reports:
        await topic.publish(MemoryMessage(report.model_dump_json().encode(), {"id": str(report.id)}))
        await asyncio.sleep(seconds / len(reports))
    await asyncio.sleep(0.5)
    await service.consumer.cleanup()
    await service.stop()
    await serving


def test_what_tasks_report_is_written_together_and_one_by_one_where_that_fails(monkeypatch: pytest.MonkeyPatch):
    reports = _reports()
    written: list[list[UUID]] = []
    failed: list[list[UUID]] = []

    async def write(events: list[ReceivedEvent]) -> None:
        ids = [event.id for event in events]
        await asyncio.sleep(0.01)
        if len(ids) > 1 and not failed:
            failed.append(ids)
            raise OSError("database is locked")
        written.append(ids)

    monkeypatch.setattr(recorder, "record_bulk_task_run_events", write)
    monkeypatch.setattr(recorder, "create_consumer", recorder.create_consumer)
    record_tasks_together()
    asyncio.run(_record(reports, seconds=1))

    assert written[0] == [reports[0].id]  # at once, as nothing was written just before
    assert sorted(chain.from_iterable(written)) == sorted(report.id for report in reports)
    assert all([report] in written for report in failed[0])
    assert len(written) < 20 + len(failed[0])


def test_time_zones_are_listed_once_and_unknown_ones_refused(monkeypatch: pytest.MonkeyPatch):
    listed = []
    zones = validators.get_timezones

    def list_zones() -> tuple[str, ...]:
        listed.append(1)
        return zones()

    monkeypatch.setattr(validators, "get_timezones", list_zones)
    remember_time_zones()
    for _ in range(2):
        assert CronSchedule(cron="12 * * * *", timezone="Europe/Paris").timezone == "Europe/Paris"
    with pytest.raises(ValidationError, match="Europe/Toulouse"):
        CronSchedule(cron="12 * * * *", timezone="Europe/Toulouse")
    assert listed == [1]


def test_prefects_settings_are_written_once_into_the_environment_of_each_run():
    own = RunConfiguration(env={"TZ": "UTC"})
    runs = [FlowRun(flow_id=uuid4(), name=name) for name in ("first", "second")]
    with temporary_settings({PREFECT_LOGGING_LEVEL: "ERROR"}):
        RunConfiguration._base_environment.cache_clear()
        own.prepare_for_flow_run(runs[0])
    other = RunConfiguration()
    other.prepare_for_flow_run(runs[1])
    RunConfiguration._base_environment.cache_clear()

    assert own.env["PREFECT_LOGGING_LEVEL"] == other.env["PREFECT_LOGGING_LEVEL"] == "ERROR"
    assert [own.env["PREFECT__FLOW_RUN_ID"], other.env["PREFECT__FLOW_RUN_ID"]] == [str(run.id) for run in runs]
    assert own.env["TZ"] == "UTC"
    assert "TZ" not in other.env

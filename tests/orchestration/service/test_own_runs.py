"""Which runs a host beside others may end."""

from uuid import uuid4

from prefect.client.schemas.objects import FlowRun

from ingestion.paths import DataPaths
from orchestration.service.health import Health
from orchestration.service.own_runs import OwnRuns
from orchestration.service.workers import Workers
from orchestration.worker.begun import mark_begun, unmark_begun


def test_a_run_that_ends_while_prefect_answers_is_no_orphan(paths: DataPaths):
    own = OwnRuns(paths, Workers(paths, Health(), lambda: None), is_alone=False)
    lost, ended, others = (FlowRun(id=uuid4(), flow_id=uuid4()) for _ in range(3))
    for run in (lost, ended):
        mark_begun(paths, str(run.id))
    is_own = own.is_own  # then Prefect is asked
    unmark_begun(paths, str(ended.id))
    assert [is_own(run) for run in (lost, ended, others)] == [True, False, False]

"""What Prefect has on record, as this API tells it."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from prefect.client.schemas.objects import FlowRun, TaskRun
from prefect.states import Cancelled

from api.schemas.runs import Run, TaskOut

NOW = datetime(2026, 11, 23, 5, tzinfo=UTC)


def test_a_run_cancelled_while_it_began_did_not_last_less_than_nothing() -> None:
    """Its end may be stamped before its beginning: the one is the service's, the other the run's own."""
    run = FlowRun(
        flow_id=uuid4(),
        state=Cancelled(timestamp=NOW),
        start_time=NOW + timedelta(milliseconds=70),
        end_time=NOW,
        total_run_time=timedelta(milliseconds=-70),
        estimated_run_time=timedelta(milliseconds=-70),
    )
    assert Run.facts(run, "http://127.0.0.1:4200/api")["seconds"] == 0
    lasted = run.model_copy(update={"estimated_run_time": timedelta(seconds=1.23456)})
    assert Run.facts(lasted, "http://127.0.0.1:4200/api")["seconds"] == 1.235


def test_nor_did_its_tasks() -> None:
    task = TaskRun(name="publish", task_key="publish", dynamic_key="0", total_run_time=timedelta(milliseconds=-70))
    assert TaskOut.of(task).seconds == 0

"""Runs as the API shows them."""

from datetime import datetime, timedelta
from typing import Any, Literal, Self
from uuid import UUID

from prefect.client.schemas.objects import FlowRun, Log, State, TaskRun
from pydantic import BaseModel, Field

from api.address import at
from ingestion.departments import Department
from ingestion.errors import IngestionError
from orchestration.progress import Record
from orchestration.runs.runs import departments_of

StateName = Literal[
    "SCHEDULED", "PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "CRASHED", "PAUSED", "CANCELLING"
]
RUN_ID = "0192f0c1-8d1e-7a55-9a39-5b1f6f0e2c11"


def lasted(time: timedelta) -> float:
    """Seconds between two states; one that was cancelled while it began may have them in the wrong order."""
    return max(0.0, round(time.total_seconds(), 3))


class DepartmentOut(BaseModel):
    """A département."""

    code: str = Field(examples=["9"])
    name: str = Field(examples=["Ariège"])

    @classmethod
    def of(cls, department: Department) -> Self:
        """Take what callers need."""
        return cls(code=department.code, name=department.name)


class RunState(BaseModel):
    """A state, with Prefect's type and name."""

    type: StateName = Field(examples=["RUNNING"])
    name: str = Field(examples=["Running"])
    message: str | None = Field(None, examples=["snapshot 000002-20261123T054639Z published: 42 new rows"])
    at: datetime

    @classmethod
    def of(cls, state: State) -> Self:
        """Translate Prefect's state."""
        return cls(
            type=state.type.value,
            name=state.name or state.type.value.title(),
            message=state.message,
            at=state.timestamp,
        )


class RunLinks(BaseModel):
    """Where to go on."""

    self: str = Field(examples=[f"/runs/{RUN_ID}"])
    events: str = Field(examples=[f"/runs/{RUN_ID}/events"])
    logs: str = Field(examples=[f"/runs/{RUN_ID}/logs"])
    ui: str = Field(description="The run in Prefect's UI.", examples=[f"http://127.0.0.1:4200/runs/flow-run/{RUN_ID}"])


class Run(BaseModel):
    """One run of the pipeline."""

    id: UUID = Field(examples=[RUN_ID])
    name: str = Field(examples=["Ariège (9)"])
    state: RunState
    departments: list[DepartmentOut]
    full: bool = Field(description="Whether it builds even when nothing is new.")
    is_scheduled: bool = Field(description="Whether the schedule asked for it, not a caller.")
    due_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    seconds: float | None = Field(description="From start to end, or to now.")
    links: RunLinks

    @classmethod
    def facts(cls, run: FlowRun, api_url: str) -> dict[str, Any]:
        """Translate Prefect's flow run."""
        try:
            departments = departments_of(run)
        except IngestionError:  # a run made by hand, with a département that is none
            departments = ()
        state = run.state or State(type="PENDING", name="Unknown")
        here = at(f"/runs/{run.id}")
        return {
            "id": run.id,
            "name": run.name,
            "state": RunState.of(state),
            "departments": [DepartmentOut.of(department) for department in departments],
            "full": bool(run.parameters.get("full")),
            "is_scheduled": run.auto_scheduled,
            "due_at": run.expected_start_time,
            "started_at": run.start_time,
            "ended_at": run.end_time,
            "seconds": lasted(run.estimated_run_time) if run.start_time else None,
            "links": RunLinks(
                self=here,
                events=f"{here}/events",
                logs=f"{here}/logs",
                ui=f"{api_url.removesuffix('/api')}/runs/flow-run/{run.id}",
            ),
        }


class Triggered(Run):
    """The run that fulfils the wish."""

    coalesced: bool = Field(False, description="Whether an equal run was waiting or running already.")


class RunList(BaseModel):
    """A page of runs, newest first."""

    runs: list[Run]
    next: str | None = Field(None, description="Cursor of the next page; null on the last.")


class LatestRuns(BaseModel):
    """How things stand."""

    state: RunState | None = Field(description="State of the run in progress, else of the last finished one.")
    in_progress: Run | None
    last_finished: Run | None
    waiting: int = Field(description="Runs queued behind.", examples=[0])


class TaskOut(BaseModel):
    """One task of a run."""

    name: str = Field(examples=["dbt build"])
    state: RunState | None
    started_at: datetime | None
    seconds: float

    @classmethod
    def of(cls, task: TaskRun) -> Self:
        """Translate Prefect's task run."""
        return cls(
            name=task.name,
            state=RunState.of(task.state) if task.state else None,
            started_at=task.start_time,
            seconds=lasted(task.total_run_time),
        )


class PacketOut(BaseModel):
    """One request of upstream, and what it brought."""

    name: str = Field(examples=["Ariège (9)"])
    new: int | None = None
    changed: int | None = None
    unchanged: int | None = None
    rejected: int | None = None
    error: str | None = None


class NodeOut(BaseModel):
    """One dbt node."""

    name: str = Field(examples=["hourly_observations"])
    kind: str = Field(examples=["model"])
    status: str = Field(description="dbt's own word.", examples=["success"])
    seconds: float
    message: str = ""


class RunDetail(Run):
    """Everything known of one run."""

    history: list[RunState]
    tasks: list[TaskOut]
    packets: list[PacketOut]
    nodes: list[NodeOut]
    nodes_expected: int | None = Field(description="How many dbt nodes the run builds, once dbt has said so.")
    rows_new: int | None
    rows_changed: int | None
    findings: int | None = Field(description="Quality findings in the snapshot it published.")
    snapshot: str | None = Field(examples=["000002-20261123T054639Z"])
    is_published: bool | None = Field(description="False when nothing was new and the snapshot before stays served.")
    error: str | None

    @classmethod
    def progress_facts(cls, records: list[Record]) -> dict[str, Any]:
        """Read a run's own records."""
        last = {record["kind"]: record for record in records}
        summary = last.get("summary", {})
        return {
            "packets": [PacketOut(**r) for r in records if r["kind"] == "packet"],
            "nodes": [NodeOut(**{**r, "kind": r["node_kind"]}) for r in records if r["kind"] == "node"],
            "nodes_expected": last.get("dbt", {}).get("nodes"),
            "rows_new": summary.get("rows_new"),
            "rows_changed": summary.get("rows_changed"),
            "snapshot": summary.get("snapshot"),
            "is_published": summary.get("is_published"),
            "error": last.get("failed", {}).get("error"),
        }


class LogLine(BaseModel):
    """One line of a run's log."""

    at: datetime
    level: str = Field(examples=["INFO"])
    message: str = Field(examples=["dbt: success model hourly_observations (0.11 s)"])

    @classmethod
    def of(cls, line: Log) -> Self:
        """Translate Prefect's log."""
        level = {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}.get(line.level, str(line.level))
        return cls(at=line.timestamp, level=level, message=line.message)


class LogPage(BaseModel):
    """A page of a run's log, oldest first."""

    lines: list[LogLine]
    next: int | None = Field(None, description="`offset` of the next page; null when there is no more yet.")

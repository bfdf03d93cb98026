"""Schedule and health as the API shows them."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from api.schemas.runs import DepartmentOut
from orchestration.runs.deployment import Schedule


class ScheduleOut(BaseModel):
    """When the pipeline runs by itself."""

    cron: str = Field(examples=["0 * * * *"])
    timezone: str = "UTC"
    departments: list[DepartmentOut]
    active: bool
    next: list[datetime] = Field(description="The next five times; none while paused.")

    @classmethod
    def of(cls, schedule: Schedule) -> Self:
        """Translate the deployment's schedule."""
        return cls(
            cron=schedule.cron,
            departments=[DepartmentOut.of(department) for department in schedule.departments],
            active=schedule.is_active,
            next=list(schedule.next_times),
        )


class ScheduleChange(BaseModel):
    """What to change; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"active": False}, {"cron": "12 * * * *", "departments": ["9", "Gard"]}]},
    )

    active: StrictBool | None = Field(None, description="False pauses, true resumes.")
    cron: str | None = Field(None, description="Five fields, in UTC.", max_length=200)
    departments: list[str] | None = Field(None, description="Codes or names, or `all`.", min_length=1, max_length=200)


class Part(BaseModel):
    """One part of the service."""

    state: str = Field(examples=["ready"])
    ready: bool
    reason: str | None = None


class Readiness(BaseModel):
    """Whether the service can do its work, part by part."""

    ready: bool
    role: str = Field(
        description="`leader` serves the schedule; a `follower` is ready to take over; a `reader` serves what other "
        "hosts publish."
    )
    parts: dict[str, Part]


class Liveness(BaseModel):
    """The process answers."""

    status: str = "alive"

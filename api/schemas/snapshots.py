"""What is said of the kept snapshots, and how to go back to one."""

from pydantic import BaseModel, ConfigDict, Field

_ID = "000041-20261123T060954Z"


class SnapshotSummary(BaseModel):
    """One kept snapshot."""

    id: str = Field(examples=[_ID])
    is_served: bool = Field(description="Whether reads without `?snapshot=` are answered from it.")
    previous: str | None = Field(description="The snapshot served before it.")
    published_at: str = Field(examples=["2026-11-23T06:09:54+00:00"])
    checked_at: str = Field(description="When a run last found nothing newer upstream.")
    run_id: str | None
    source: str = Field(examples=["meteofrance"])
    departments: list[str] = Field(examples=[["9", "31"]])
    newest_observation: str | None = Field(examples=["2026-11-23T06:00:00Z"])
    row_counts: dict[str, int] = Field(examples=[{"marts.hourly_observations": 3590}])
    size_bytes: int
    links: dict[str, str]


class SnapshotList(BaseModel):
    """Every kept snapshot, newest first."""

    served: str | None = Field(description="The snapshot that reads are answered from.", examples=[_ID])
    data: list[SnapshotSummary]


class Rollback(BaseModel):
    """Which snapshot to serve again."""

    model_config = ConfigDict(extra="forbid")

    snapshot: str | None = Field(
        None, max_length=80, description="A kept snapshot; without it, the one before the one served.", examples=[_ID]
    )


class RolledBack(BaseModel):
    """What is served now."""

    served: str = Field(examples=[_ID])
    before: str = Field(description="What was served until now.", examples=["000042-20261123T070957Z"])
    published_at: str

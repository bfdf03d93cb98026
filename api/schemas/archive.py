"""The archive's plan and back-fills as the API shows them."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, Field

from api.schemas.runs import Run
from ingestion.archive.ledger import ArchiveFile, Ledger
from ingestion.archive.listing import Listed
from ingestion.archive.plan import Plan
from orchestration.progress import Record

_SHOWN = 1_000
_FILE = "Q_09_latest-2025-2026_RR-T-Vent.csv.gz"


class PlannedFile(BaseModel):
    """A listed file, and what a back-fill would do with it."""

    name: str = Field(examples=[_FILE])
    dataset: str = Field(examples=["days"])
    department: str = Field(examples=["9"])
    period: str = Field(examples=["latest-2025-2026"])
    action: Literal["fetch", "known", "refused"] = Field(
        description="`known` files are not fetched again. `refused` ones were, in this version: `error` says why."
    )
    last_modified: datetime
    bytes: int | None = Field(description="As the listing says, which does not say it of every file.")
    rows: int | None = Field(description="Rows in the archive of a file that is known.")
    url: str | None
    error: str | None = None

    @classmethod
    def to_fetch(cls, listed: Listed) -> Self:
        return cls(
            name=listed.name,
            dataset=listed.dataset,
            department=listed.department,
            period=listed.period,
            action="fetch",
            last_modified=listed.last_modified,
            bytes=listed.bytes,
            rows=None,
            url=listed.url,
        )

    @classmethod
    def known(cls, entry: ArchiveFile) -> Self:
        return cls(
            name=entry.name,
            dataset=entry.dataset,
            department=entry.department,
            period=entry.period,
            action="refused" if entry.status == "refused" else "known",
            last_modified=datetime.fromisoformat(entry.last_modified),
            bytes=entry.bytes,
            rows=entry.rows if entry.status != "refused" else None,
            url=entry.url,
            error=entry.error,
        )


class ArchivePlan(BaseModel):
    """What POST /archive/backfill with the same parameters would fetch."""

    files: int = Field(description="Files to fetch.")
    bytes: int = Field(description="Bytes to fetch, as far as the listing says them.")
    bytes_unknown: int = Field(description="Files to fetch of which the listing does not say the size.")
    known: int = Field(description="Files that are known in their present version.")
    rows_known: int = Field(description="Their rows.")
    listed: list[PlannedFile] = Field(description=f"The files, at most {_SHOWN}.")
    notes: list[str]

    @classmethod
    def of(cls, plan: Plan) -> Self:
        listed = [PlannedFile.to_fetch(file) for file in plan.to_load]
        listed += [PlannedFile.known(entry) for entry in (*plan.refused, *plan.known)]
        return cls(
            files=len(plan.to_load),
            bytes=plan.bytes,
            bytes_unknown=sum(file.bytes is None for file in plan.to_load),
            known=len(plan.known),
            rows_known=sum(entry.rows for entry in plan.known),
            listed=listed[:_SHOWN],
            notes=plan.notes,
        )


class BackfillProgress(BaseModel):
    """How far a back-fill or refresh has come."""

    files: int
    files_done: int
    files_failed: int
    bytes: int = Field(description="Bytes to fetch, as far as the listing says them.")
    bytes_done: int
    rows: int
    share: float = Field(description="From 0 to 1.")
    seconds_left: int | None = Field(description="At the pace so far.")

    @classmethod
    def of(cls, records: list[Record]) -> Self | None:
        """Take the newest of a run's own records."""
        found: list[dict[str, Any]] = [record for record in records if record["kind"] == "archive"]
        return cls(**found[-1]) if found else None


class FailedFile(BaseModel):
    """A file that was not loaded. The next refresh tries again."""

    name: str = Field(examples=[_FILE])
    error: str | None
    attempts: int


class ArchiveRun(BaseModel):
    """A run of a back-fill or refresh, with its progress."""

    run: Run
    progress: BackfillProgress | None


class ArchiveState(BaseModel):
    """How the archive's back-fill and refresh stand."""

    backfill: ArchiveRun | None = Field(description="The back-fill under way, else the last one.")
    refresh: ArchiveRun | None = Field(description="The refresh under way, else the last one.")
    planned: int = Field(description="Files that wait to be fetched.")
    fetched: int = Field(description="Files that were fetched and wait to be loaded.")
    failed: list[FailedFile] = Field(description="Files that were not loaded. The next refresh tries again.")

    @classmethod
    def of(cls, ledger: Ledger, backfill: ArchiveRun | None, refresh: ArchiveRun | None) -> Self:
        statuses = [wanted.status for wanted in ledger.queue.values()]
        failed = [wanted for wanted in ledger.queue.values() if wanted.status == "failed"]
        return cls(
            backfill=backfill,
            refresh=refresh,
            planned=statuses.count("planned"),
            fetched=statuses.count("fetched"),
            failed=[FailedFile(name=f.name, error=f.error, attempts=f.attempts) for f in failed[:_SHOWN]],
        )

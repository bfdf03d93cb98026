"""What can be refused when the warehouse is read. Each says what to do next.

ApiProblem
├── NoSnapshot         503 nothing was published yet
├── SnapshotGone       410 a snapshot that is no longer kept
├── SnapshotDamaged    503 the file may be damaged; the service checks it, and serves another one if it is
├── ReadFailed         503 the engine failed at this read; the file is well
├── SnapshotOutdated   503 another version published it, with other tables
├── Busy               503 too many reads at once
├── TooMuchUnread      503 large answers wait for their readers
├── WriterBusy         503 a run is writing
├── TooSlow            504 a query ran into its time limit
├── TooLarge           422 a query ran into its memory limit
├── NotFound           404 no such table, station or column
├── UnknownPlace       404 no commune and no station of that name
├── AmbiguousPlace     422 several communes of that name
├── BadValue           422 a parameter that cannot be read
├── NotAcceptable      406 a format this answer does not have
├── SqlRefused         422 a statement that is not one harmless SELECT
├── CallerLeft         499 the caller hung up
└── SqlDisabled        403 callers' SQL is switched off
"""

from collections.abc import Sequence

from rapidfuzz import process

from api.address import at
from api.errors import ApiProblem
from ingestion.errors import printable


class NoSnapshot(ApiProblem):
    """Nothing was published yet, or `why` nothing of it can be opened."""

    def __init__(self, why: str | None = None) -> None:
        super().__init__(
            503,
            "No snapshot can be read" if why else "No snapshot yet",
            why or "the warehouse is empty: its first snapshot appears when a first run ends",
            type="/problems/no-snapshot",
            next_step="close the program that holds the file, or POST /runs for another snapshot, then ask again"
            if why
            else "watch the first run at /runs/latest (or start one: POST /runs), then ask again",
        )
        self.headers = {"Retry-After": "5", "Link": f'<{at("/runs/latest")}>; rel="monitor"'}


class SnapshotGone(ApiProblem):
    """A snapshot that is not kept any more, or never was."""

    def __init__(self, snapshot_id: str, field: str) -> None:
        super().__init__(
            410,
            "Snapshot not kept",
            f"snapshot {printable(snapshot_id, 60)} is not kept",
            type="/problems/snapshot-gone",
            field=field,
            next_step="begin again without it for the newest data, or choose one of /warehouse/snapshots",
        )


class SnapshotDamaged(ApiProblem):
    """A read of a snapshot's file failed.

    `is_passing`: the machine refused, and may not the next time. `if_well`: the answer when the file turns out well.
    """

    def __init__(
        self, snapshot_id: str, why: str, *, is_passing: bool = False, if_well: ApiProblem | None = None
    ) -> None:
        self.snapshot_id, self.why = snapshot_id, why
        self.is_passing, self.if_well = is_passing, if_well
        super().__init__(
            503,
            "Snapshot damaged",
            f"snapshot {snapshot_id} cannot be read: {printable(why)}",
            type="/problems/snapshot-damaged",
            next_step="ask again for another snapshot; /health/ready tells more; POST /runs publishes a new one",
        )
        self.headers = {"Retry-After": "1"}


class ReadFailed(ApiProblem):
    """The engine failed at this read; the file is well."""

    def __init__(self, why: str) -> None:
        super().__init__(
            503,
            "Read failed",
            f"the database engine failed at this read: {printable(why)}; the data is intact",
            type="/problems/read-failed",
            next_step="ask again in a moment; if it fails again, ask in another way",
        )
        self.headers = {"Retry-After": "2"}


class SnapshotOutdated(ApiProblem):
    """Another version of Girouette published the snapshot, with other tables than this one asks."""

    def __init__(self, snapshot_id: str, why: str) -> None:
        super().__init__(
            503,
            "Snapshot of another version",
            f"snapshot {snapshot_id} was published by another version of Girouette: {printable(why)}",
            type="/problems/snapshot-outdated",
            next_step="POST /runs?full=true publishes one of this version; /warehouse/tables lists what this one has",
        )
        self.headers = {"Retry-After": "60"}


class Busy(ApiProblem):
    """More reads at once than the service takes."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            503,
            "Busy",
            f"no reader became free within {seconds:g} s",
            type="/problems/busy",
            next_step="ask again in a moment, or ask for less at once",
        )
        self.headers = {"Retry-After": "2"}


class TooMuchUnread(ApiProblem):
    """Large answers that their readers have not taken yet fill the room for them."""

    def __init__(self, own: int) -> None:
        super().__init__(
            503,
            "Too many large answers at once",
            f"large answers fill the room that the service has for them; {own // 2**20} MB of them wait for you",
            type="/problems/too-much-unread",
            next_step="read the answers you have asked for to their end, then ask again, or ask for smaller ones",
        )
        self.headers = {"Retry-After": "5"}


class WriterBusy(ApiProblem):
    """A run holds the warehouse for writing."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            503,
            "A run is writing",
            f"a run is still writing after {seconds:g} s, and would publish over the change",
            type="/problems/writer-busy",
            next_step="ask again when the run has ended: /runs/latest",
        )
        self.headers = {"Retry-After": "10"}


class TooSlow(ApiProblem):
    """A query was stopped at its time limit."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            504,
            "Query stopped",
            f"the query was stopped after {seconds:g} s",
            type="/problems/too-slow",
            next_step="ask for fewer rows or a shorter time range, or take the file: /warehouse/download",
        )


class TooLarge(ApiProblem):
    """A query was stopped at its memory limit."""

    def __init__(self, megabytes: int) -> None:
        super().__init__(
            422,
            "Query too large",
            f"the query needs more than the {megabytes} MB it may use",
            type="/problems/too-large",
            next_step="ask for fewer rows or columns, or take the file: /warehouse/download",
        )


class NotFound(ApiProblem):
    """No such thing; names the nearest ones."""

    def __init__(
        self,
        what: str,
        name: str,
        known: Sequence[str],
        *,
        field: str,
        look_at: str,
        close: Sequence[str] | None = None,
    ) -> None:
        if close is None:
            close = [hit[0] for hit in process.extract(name, known, limit=3, score_cutoff=60)] if name else []
        hint = f"did you mean {' or '.join(close)}? " if close else ""
        super().__init__(
            404,
            f"Unknown {what}",
            f"there is no {what} “{printable(name, 60)}”",
            type=f"/problems/unknown-{what.replace(' ', '-')}",
            field=field,
            next_step=f"{hint}{look_at} lists them",
        )


class UnknownPlace(ApiProblem):
    """No commune and no station has the name."""

    def __init__(self, name: str, close: Sequence[str], why: str | None = None) -> None:
        hint = f"did you mean {' or '.join(close)}? " if close else ""
        super().__init__(
            404,
            "Unknown place",
            f"there is no place “{printable(name, 60)}”{f': {printable(why)}' if why else ''}",
            type="/problems/unknown-place",
            field="place",
            next_step=f"{hint}give a commune such as Foix or Bourg (33), a postal code, or near=latitude,longitude",
        )


class AmbiguousPlace(ApiProblem):
    """Several communes have the name, and none is far larger than the others."""

    def __init__(self, name: str, choices: Sequence[str], count: int) -> None:
        more = f", and {count - len(choices)} more" if count > len(choices) else ""
        self.choices = list(choices)
        super().__init__(
            422,
            "Several places",
            f"“{printable(name, 60)}” may be {', '.join(choices)}{more}",
            type="/problems/ambiguous-place",
            field="place",
            next_step=f"name one with its département, such as place={choices[0]}",
        )


class ArchiveEmpty(ApiProblem):
    """The snapshot has no history."""

    def __init__(self) -> None:
        super().__init__(
            404,
            "No archive loaded",
            "this warehouse has no days of the open archive yet",
            type="/problems/archive-empty",
            next_step="`make backfill DEPT=9 SINCE=1991` loads them; GET /archive/coverage then says what is there",
        )


class BadValue(ApiProblem):
    """A parameter that cannot be read."""

    def __init__(self, field: str, detail: str, next_step: str) -> None:
        super().__init__(
            422,
            "Invalid request",
            f"{field}: {detail}",
            type="/problems/invalid-request",
            field=field,
            next_step=next_step,
        )


class NotAcceptable(ApiProblem):
    """A format this answer does not have."""

    def __init__(self, asked: str, offered: Sequence[str]) -> None:
        super().__init__(
            406,
            "Format not available",
            f"this answer cannot be given as “{printable(asked, 80)}”",
            type="/problems/format-not-available",
            field="format",
            next_step=f"ask for one of: {', '.join(offered)}",
        )


class SqlRefused(ApiProblem):
    """A statement that may not run."""

    def __init__(self, why: str, next_step: str = "send one SELECT over the tables of /warehouse/tables") -> None:
        super().__init__(
            422,
            "Statement refused",
            printable(why, 500),
            type="/problems/statement-refused",
            field="sql",
            next_step=next_step,
        )


class CallerLeft(ApiProblem):
    """The caller hung up, so the statement was stopped; nobody reads this."""

    def __init__(self) -> None:
        super().__init__(
            499,
            "Caller left",
            "the caller hung up before the answer",
            type="/problems/caller-left",
            next_step="send the statement again",
        )


class SqlDisabled(ApiProblem):
    """Callers' SQL is switched off."""

    def __init__(self) -> None:
        super().__init__(
            403,
            "SQL is switched off",
            "this service does not run callers' SQL (SQL_ENABLED=false)",
            type="/problems/sql-disabled",
            next_step="use /warehouse/tables with filters, or take the file: /warehouse/download",
        )

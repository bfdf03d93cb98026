"""Errors between loading and publishing. A message says what happened, what stays safe and what to do.

OrchestrationError
├── IngestionFailed   every request of the run failed
├── BuildFailed       dbt models or tests failed; names them
├── NothingToPublish  there is no tested build yet
├── SnapshotNotFound  no such snapshot, or none to go back to
├── RebuildIncomplete the landing zone gives less than the build file holds
├── WarehouseShrank   the build holds far fewer rows than the snapshot served
├── ServerNotReady    the Prefect server does not answer
│   ├── NotRegistered it answers, but does not know our deployment
│   └── NoRoom        its database lies on a full disk
├── PortTaken         another program listens on the Prefect server's port
├── RunNotFound       Prefect knows no such run of this flow
├── RunNotCancellable the run has already ended
├── RunNotRetriable   the run has not ended yet
├── KeyReused         an idempotency key was used before with other parameters
├── QueueFull         too many runs wait
├── NoDepartments     the schedule names none that is known
├── NothingLoaded     there is no data yet to build from
├── NothingToBackUp   there is no build file yet
├── TargetUnusable    a backup cannot be written there
├── NotEmpty          a backup is not restored over existing data
├── DirectoryInUse    a service or a run uses the data directory
├── BackupUnreadable  the file is not a complete backup
├── ShelfUnusable     SHELF_URL cannot be used: settings, or a store that ignores conditions
├── ShelfAway         the store behind SHELF_URL does not answer, or refuses
├── ShelfDamaged      an object there is not what was put
├── Fenced            another host has published meanwhile
├── FolderOfItsOwn    the data folder's warehouse does not come from the shelf
├── NoPrefect         a reader without a Prefect server was asked for a run
├── NotOnReader       a reader was asked for a watch, which only workers judge
├── BadSchedule       not a valid cron expression
├── BadCondition      a watch's condition is not one
├── WatchNotFound     there is no such watch
├── TooManyWatches    no more are kept
├── AddressUnreadable apprise knows no such address
└── AddressNotAllowed a watch may not notify this address
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ingestion.errors import printable


class OrchestrationError(Exception):
    """Base of every error the orchestration raises on purpose."""


class IngestionFailed(OrchestrationError):
    def __init__(self, failures: Mapping[str, str]) -> None:
        self.failures = dict(failures)
        super().__init__("nothing could be fetched: " + "; ".join(f"{what}: {why}" for what, why in failures.items()))


class BuildFailed(OrchestrationError):
    """dbt failed: the last snapshot stays served, the new rows stay in raw."""

    def __init__(self, failed: Sequence[str], reason: str = "") -> None:
        self.failed = tuple(failed)
        names = ", ".join(failed)
        what = f"{len(failed)} dbt node{'s' if len(failed) > 1 else ''} failed: {names}" if failed else "dbt failed"
        because = f" ({reason})" if reason else ""
        super().__init__(f"{what}{because}; the last snapshot stays served. See the log, then `make dbt-build`")


class NothingToPublish(OrchestrationError):
    """The build file is missing, was never fully built, or holds loads newer than its last build."""

    def __init__(self, build_file: Path) -> None:
        super().__init__(
            f"{build_file} holds no tested build of all its loads: run `make dbt-build` first, or `make flow-run`"
        )


class SnapshotNotFound(OrchestrationError):
    """The snapshot asked for is not kept, or there is none before the served one."""

    def __init__(self, asked: str | None, kept: Sequence[str]) -> None:
        what = f"there is no snapshot {printable(asked, 60)}" if asked else "there is no snapshot before the one served"
        super().__init__(f"{what}; kept are: {', '.join(kept) or 'none'}")


class RebuildIncomplete(OrchestrationError):
    def __init__(self, missing: int, landing: Path) -> None:
        super().__init__(
            f"{missing:,} station-hours of the build file are not in {landing}: nothing was replaced, and the last "
            "snapshot stays served. Restore the payloads named above, or accept the loss with `make rebuild FORCE=1`"
        )


class WarehouseShrank(OrchestrationError):
    def __init__(self, before: int, after: int) -> None:
        super().__init__(
            f"the build holds {after:,} station-hours and the snapshot served {before:,}: nothing was published, and "
            "that snapshot stays served. Find what was lost, or accept the loss with `make publish FORCE=1`"
        )


class ServerNotReady(OrchestrationError):
    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"the Prefect server at {url} is not ready: {why}")


class NotRegistered(ServerNotReady):
    """The server does not know our deployment: it is new, or its database was emptied."""

    def __init__(self, url: str) -> None:
        super().__init__(url, "the deployment is not registered yet")


class ServerRefuses(ServerNotReady):
    """The server asks for a password or a key, and ours is missing or wrong."""

    def __init__(self, url: str) -> None:
        super().__init__(
            url,
            "it refuses us (401 Unauthorized): set PREFECT_API_AUTH_STRING to its user:password, or PREFECT_API_KEY to "
            "one of its keys, and start again",
        )


class NoRoom(ServerNotReady):
    """The server fails because the data directory takes no more: its database lies there."""

    def __init__(self, why: Exception) -> None:
        OrchestrationError.__init__(self, str(why))


class PortTaken(OrchestrationError):
    def __init__(self, url: str, owner: str) -> None:
        super().__init__(
            f"{url} is taken by {owner}, which is not a Prefect server: stop it, or choose another port, "
            "e.g. PREFECT_API_URL=http://127.0.0.1:4201/api"
        )


class RunNotFound(OrchestrationError):
    def __init__(self, run_id: str) -> None:
        super().__init__(f"there is no run {run_id}: GET /runs lists them")


class RunNotCancellable(OrchestrationError):
    def __init__(self, run_id: str, state: str) -> None:
        super().__init__(f"run {run_id} has already ended, {state}: there is nothing to cancel")


class RunNotRetriable(OrchestrationError):
    def __init__(self, run_id: str, state: str) -> None:
        super().__init__(f"run {run_id} is {state}: wait for its end or cancel it first")


class KeyReused(OrchestrationError):
    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"this Idempotency-Key belongs to run {run_id}, which has other parameters: send a new key for a new run"
        )


class QueueFull(OrchestrationError):
    """So many runs wait that one more is refused."""

    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting} runs are waiting or under way, and no more are taken until some have ended")


class NoDepartments(OrchestrationError):
    """The schedule's départements were changed in Prefect to what cannot be read."""

    def __init__(self) -> None:
        super().__init__(
            "the schedule names no known département, so no scheduled run can succeed: correct it with PATCH /schedule "
            "or as the parameter `dept` in Prefect's UI"
        )


class NothingLoaded(OrchestrationError):
    def __init__(self, data_dir: Path) -> None:
        super().__init__(
            f"{data_dir} holds no data yet, and nothing was changed: `make flow-run` or `make run` fetches first data, "
            "or set DATA_DIR to the folder that holds it"
        )


class TargetUnusable(OrchestrationError):
    def __init__(self, target: Path, why: str) -> None:
        super().__init__(
            f"no backup can be written to {target} ({printable(why)}), and the data is as before: "
            "choose another folder (`make backup TO=…`)"
        )


class NothingToBackUp(OrchestrationError):
    def __init__(self, data_dir: Path) -> None:
        super().__init__(f"{data_dir} holds nothing to back up yet: `make flow-run` or `make run` fetches first data")


class NotEmpty(OrchestrationError):
    def __init__(self, data_dir: Path) -> None:
        super().__init__(
            f"{data_dir} is not empty, and nothing was changed: "
            "set DATA_DIR to a new folder, or add FORCE=1 to replace everything in it"
        )


class DirectoryInUse(OrchestrationError):
    def __init__(self, data_dir: Path, holder: str) -> None:
        super().__init__(f"{data_dir} is in use ({holder}): first stop the service, or wait for the run to end")


class BackupUnreadable(OrchestrationError):
    def __init__(self, file: Path, why: str) -> None:
        super().__init__(
            f"{file} is not a complete backup ({printable(why)}): nothing was touched; "
            "use another file of `make backup`"
        )


class ShelfUnusable(OrchestrationError):
    def __init__(self, url: str, why: str, what_to_do: str) -> None:
        super().__init__(f"the store at {printable(url, 120)} {why}, and nothing was changed there: {what_to_do}")


class ShelfAway(OrchestrationError):
    """Reads go on from what lies here. What a run loaded stays in raw, and the next run publishes it."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(
            f"the store at {printable(url, 120)} does not answer ({printable(why, 300)}): what is served stays served, "
            "and it is tried again"
        )


class ShelfDamaged(OrchestrationError):
    def __init__(self, url: str, key: str) -> None:
        super().__init__(
            f"{printable(key, 160)} in the store at {printable(url, 120)} is not what was put there: it was not taken, "
            "and what is served stays served. Publish again with `make publish` on a worker"
        )


class Fenced(OrchestrationError):
    """Another host has published since this one began. Its snapshot is served."""

    def __init__(self, began: int, now: int) -> None:
        super().__init__(
            f"another host has published meanwhile (generation {now}, and this run began from {began}): nothing of "
            "this run was published. What it fetched lies in the landing zone, and this host's next run loads it"
        )


class FolderOfItsOwn(OrchestrationError):
    def __init__(self, data_dir: Path, url: str) -> None:
        super().__init__(
            f"{data_dir} holds a warehouse that does not come from {printable(url, 120)}, which has one already: "
            "nothing was changed. Set DATA_DIR to an empty folder to join it, or SHELF_URL to an empty prefix to bring "
            "this one"
        )


class NoPrefect(OrchestrationError):
    def __init__(self) -> None:
        super().__init__("this reader knows no Prefect server, so it starts no runs and shows none; reads go on")


class NotOnReader(OrchestrationError):
    def __init__(self) -> None:
        super().__init__("this host only reads: it judges no watches, so none was kept; a worker of yours does")


class BadSchedule(OrchestrationError):
    def __init__(self, cron: str, why: str) -> None:
        super().__init__(
            f"`{cron}` is not a valid cron expression ({why}): "
            "write five fields, e.g. `12 * * * *` for minute 12 of every hour"
        )


class BadCondition(OrchestrationError):
    def __init__(self, why: str) -> None:
        super().__init__(
            f"{why}: write column, operator and number, e.g. `temperature_c < 0`, `precipitation_24h_mm >= 30`, "
            "`gust_ms > 25 for 2 h`, or `silent 6 h`"
        )


class WatchNotFound(OrchestrationError):
    def __init__(self, watch_id: str) -> None:
        super().__init__(f"there is no watch {printable(watch_id, 40)}: GET /watches lists them")


class TooManyWatches(OrchestrationError):
    def __init__(self, most: int) -> None:
        super().__init__(f"there are {most:,} watches already, and no more are kept: delete some first")


class AddressUnreadable(OrchestrationError):
    """The message never holds the address, which may hold a secret."""

    def __init__(self) -> None:
        super().__init__(
            "the address to notify is none that a watch can use (it is not shown, as it may hold a secret): "
            "write it as apprise does, e.g. `ntfys://ntfy.sh/my-topic` or `mailtos://user:password@example.org`"
        )


class AddressNotAllowed(OrchestrationError):
    def __init__(self, scheme: str) -> None:
        super().__init__(
            f"holders of an API key may not notify this address ({scheme}://…): the operator names the beginnings of "
            "those they may in WATCH_TARGETS"
        )

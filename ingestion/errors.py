"""Everything that can go wrong on the way in. A message is one line: what happened, then what to do.

IngestionError
├── UnknownDepartment        not a département; names the nearest ones
├── SourceMismatch           demo and real data asked to share one warehouse
├── WarehouseNewer           the build file was made by a newer Girouette
├── WarehouseOlder           the build file was made by an older Girouette, and this step does not renew it
├── WarehouseDamaged         the build file cannot be read
├── StorageFailed            the machine refuses: disk full, no right to write, too many open files
├── FileUnreadable           a captured file cannot be read
├── FileRefused              a captured file was read and cannot be loaded
├── ClosedMonthDamaged       a closed month's file is missing, or not the one that was written
├── ArchiveFileRefused       a file of the open archive is cut, shrank, or is not what it should be
├── ArchiveUnreadable        the archive's ledger cannot be read
├── ArchiveNeedsRoom         the disk is too small for what a back-fill would load
├── UpstreamError            Météo-France did not give an answer that can be used
│   ├── TokenMissing         no METEOFRANCE_TOKEN
│   ├── ApplicationRefused   the application id makes no token
│   ├── TokenRefused         401: bad or expired, or not a token at all
│   ├── NotSubscribed        403: no subscription to this API and version
│   ├── RequestRefused       400 and other 4xx; carries upstream's own words
│   ├── WrongPath            404
│   ├── Redirected           3xx: redirects are not followed
│   ├── QuotaExceeded        429 until the last try
│   ├── OrderLost            an order whose file will never come
│   └── UpstreamDown         5xx, transport faults or timeouts until the last try
└── PayloadError             an answer came, and it is not a packet
    ├── PayloadTooLarge      more bytes than any packet has
    ├── PayloadTruncated     the end is missing
    ├── AllRowsRejected      not one of its rows can be keyed
    ├── NotWhatWasAsked      most of its rows are of another département or hour
    ├── ValuesImplausible    nearly all values of a quantity are no numbers, or of another unit
    ├── CorrectionHeld       it changes most of what is known; believed when it comes again
    ├── NotAPacket           a file of another kind, which it names
    ├── PayloadNotRecognized neither CSV nor JSON as Météo-France writes them
    └── HeaderChanged        a column the warehouse cannot do without is gone
"""

import errno as numbers
from collections.abc import Sequence
from pathlib import Path

PORTAL = "portail-api.meteofrance.fr"

_FREE_SPACE = "free some space, or lower SNAPSHOTS_KEEP"
_ALLOW = "let the user that runs Girouette write there, or set DATA_DIR to another folder"
_ALLOW_FILES = "allow more open files (`ulimit -n`)"
# What to do about a refusal of the machine, by its number; 0 stands for every other.
_ADVICE = {
    numbers.ENOSPC: _FREE_SPACE,
    numbers.EDQUOT: _FREE_SPACE,
    numbers.EFBIG: "allow larger files (`ulimit -f`)",
    numbers.EACCES: _ALLOW,
    numbers.EPERM: _ALLOW,
    numbers.EROFS: _ALLOW,
    numbers.EMFILE: _ALLOW_FILES,
    numbers.ENFILE: _ALLOW_FILES,
    numbers.EOPNOTSUPP: "set DATA_DIR to a folder on a file system with symbolic links (FAT and exFAT have none)",
    numbers.ENOMEM: "give it more memory",
    0: "check the disk and the rights of DATA_DIR",
}


def printable(text: str, limit: int = 300) -> str:
    """Text from outside, made safe to show on one line: no control characters, bounded."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


class IngestionError(Exception):
    """Base of every error the ingestion raises on purpose; goes from one process to another unchanged."""

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(kind: type[IngestionError], args: tuple[object, ...], state: dict[str, object]) -> IngestionError:
    """Make an error again from its message: pickle would call the constructor, which takes other arguments."""
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class UnknownDepartment(IngestionError):
    """A text that names no département, or more than one; `suggestions` holds the nearest, `9 (Ariège)`."""

    def __init__(self, text: str, suggestions: Sequence[str] = (), *, is_region: bool = False) -> None:
        self.text, self.suggestions = text, tuple(suggestions)
        shown = printable(text, 60)
        what = f"“{shown}” is a region, not a département" if is_region else f"“{shown}” is not a département"
        if is_region:
            advice = "ask for its départements: " + ", ".join(suggestions)
        elif suggestions:
            advice = "did you mean " + " or ".join(suggestions) + "?"
        else:
            advice = "give a code such as 9, a name such as Ariège, or `all`"
        super().__init__(f"{what}: {advice}")


class SourceMismatch(IngestionError):
    """The warehouse holds one source's data and a run asked for the other's."""

    def __init__(self, held: str, asked: str, data_dir: Path | str) -> None:
        self.held, self.asked, self.data_dir = held, asked, data_dir
        super().__init__(
            f"{data_dir} holds data from the source `{held}` and this run asks for `{asked}`, never mixed: "
            f"set METEOFRANCE_SOURCE={held} to go on with it, or set DATA_DIR to another folder for `{asked}`"
        )


class WarehouseNewer(IngestionError):
    """The build file was made by a newer Girouette; nothing was touched."""

    def __init__(self, held: int, known: int, data_dir: Path | str) -> None:
        super().__init__(
            f"{data_dir} was written by a newer Girouette (schema {held}, this one knows {known}): "
            "update Girouette, or set DATA_DIR to another folder"
        )


class WarehouseOlder(IngestionError):
    """The build file was made by an older Girouette; nothing was touched."""

    def __init__(self, held: int, known: int, data_dir: Path | str) -> None:
        super().__init__(
            f"{data_dir} was written by an older Girouette (schema {held}, this one writes {known}): "
            "the next run, or `make rebuild`, rebuilds the build file from the landing zone"
        )


class WarehouseDamaged(IngestionError):
    """The build file is no longer one."""

    def __init__(self, file: Path, why: str) -> None:
        super().__init__(
            f"{file} cannot be read ({printable(why, 160)}): run `make rebuild`, which rebuilds it from the landing "
            "zone; what was published stays served"
        )


class StorageFailed(IngestionError):
    """The machine refused to write or to open; `errno` says why, where it is known."""

    def __init__(self, errno: int | None, reason: str, file: str | bytes | int | None, data_dir: Path | str) -> None:
        self.errno = errno
        where = f" at {printable(str(file), 200)}" if isinstance(file, str) else ""
        super().__init__(
            f"{data_dir} cannot be used ({printable(reason, 160)}{where}): {_ADVICE.get(errno or 0, _ADVICE[0])}; "
            "what was published stays served and the next run goes on from here"
        )


class FileUnreadable(IngestionError):
    """A captured payload cannot be read from disk."""

    def __init__(self, file: Path, why: str, advice: str = "check the path and that the file is whole") -> None:
        super().__init__(f"{printable(str(file))} cannot be read ({printable(why)}): {advice}")


class ClosedMonthDamaged(IngestionError):
    """A file under data/closed is not what meta.closed_months says; nothing was touched."""

    def __init__(self, file: Path, why: str) -> None:
        self.file = file
        super().__init__(
            f"{file} {why}: put it back from a backup, or run `make rebuild`, which rebuilds everything "
            "from the landing zone"
        )


class ArchiveFileRefused(IngestionError):
    """A file of the open archive cannot take its place; what was loaded before stays."""

    def __init__(self, name: str, why: str) -> None:
        self.name, self.why = name, why
        super().__init__(
            f"{printable(name, 120)} was refused: {printable(why)}; what was loaded before stays: "
            "get the file again, and if it comes the same, look at it"
        )


class ArchiveUnreadable(IngestionError):
    """The list of the archive's files cannot be read; nothing was touched."""

    def __init__(self, file: Path, why: str) -> None:
        super().__init__(
            f"{file} cannot be read ({printable(why)}): put it back from a backup, or move the archive's folder away "
            "and load its files again"
        )


class ArchiveNeedsRoom(IngestionError):
    """The disk is too small for what a back-fill would load; nothing was fetched."""

    def __init__(self, needed: int, free: int, root: Path) -> None:
        super().__init__(
            f"the back-fill needs about {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free under {root}; "
            "nothing was fetched, and what was loaded before stays: free some space, or ask for fewer "
            "départements or years"
        )


class UpstreamError(IngestionError):
    """Météo-France did not give an answer that can be used."""


class TokenMissing(UpstreamError):
    """No token is set, and the real source was asked for."""

    def __init__(self) -> None:
        super().__init__(
            f"there is no token for Météo-France: set METEOFRANCE_TOKEN or METEOFRANCE_APPLICATION_ID (from {PORTAL}), "
            "or set METEOFRANCE_SOURCE=demo"
        )


class ApplicationRefused(UpstreamError):
    """The portal makes no token for this application id."""

    def __init__(self, status: int) -> None:
        super().__init__(
            f"METEOFRANCE_APPLICATION_ID was refused ({status}): copy it again from {PORTAL}, "
            "where `generate token` shows it behind `Authorization: Basic`"
        )


class TokenRefused(UpstreamError):
    """The token is bad, expired, or not a token."""

    def __init__(self, reason: str = "") -> None:
        because = f" ({printable(reason)})" if reason else ""
        super().__init__(
            f"Météo-France's token was refused{because}: make a new one on {PORTAL}, put it alone in "
            "METEOFRANCE_TOKEN, and check METEOFRANCE_AUTH (apikey or bearer)"
        )


class NotSubscribed(UpstreamError):
    """The token is good, but not for this API and version."""

    def __init__(self, reason: str = "", api: str = "DPPaquetObs v2") -> None:
        because = f" ({printable(reason)})" if reason else ""
        super().__init__(f"this token has no subscription to the API{because}: subscribe to {api} on {PORTAL}")


class RequestRefused(UpstreamError):
    """Upstream found the request itself wrong; `reason` is its own words."""

    def __init__(self, status: int, reason: str, endpoint: str) -> None:
        self.status, self.reason = status, printable(reason)
        said = f"“{self.reason}”" if self.reason else "no reason given"
        super().__init__(
            f"Météo-France refused the request to {endpoint} with {status} ({said}): "
            "check the département, or that the hour is round and recent"
        )


class WrongPath(UpstreamError):
    """Nothing is served at this address."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"nothing is served at {url} (404): check METEOFRANCE_URL, the base address without the version"
        )


class Redirected(UpstreamError):
    """The address answers with another address; the token is not carried there."""

    def __init__(self, url: str, location: str) -> None:
        super().__init__(
            f"{url} redirects to {printable(location, 120) or 'nowhere'}, and redirects are not followed: "
            "set METEOFRANCE_URL to the final address"
        )


class QuotaExceeded(UpstreamError):
    """429 until the last try."""

    def __init__(self, attempts: int, seconds: float) -> None:
        super().__init__(
            f"Météo-France's quota is used up (429 at each of {attempts} tries over {seconds:.0f} s): "
            "wait a minute, or lower REQUESTS_PER_MINUTE if other programs share the token"
        )


class OrderLost(UpstreamError):
    """The file of an order will never come."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"an order of hours is lost ({printable(why)}): a later run orders them again, three times at most"
        )


class UpstreamDown(UpstreamError):
    """No usable answer until the last try."""

    def __init__(self, reason: str, attempts: int, seconds: float) -> None:
        tries = "1 try" if attempts == 1 else f"{attempts} tries"
        super().__init__(
            f"Météo-France did not answer properly in {tries} over {seconds:.0f} s (last: "
            f"{printable(reason)}): try again later; if it lasts, check the network and METEOFRANCE_URL"
        )


class PayloadError(IngestionError):
    """An answer came, and it cannot be read as a packet.

    `fault` says what is wrong without the advice, which is the service's; `file_advice` is for a file given by hand.
    """

    file_advice = "check that it is whole and as Météo-France sent it"

    def __init__(self, fault: str, advice: str = "") -> None:
        self.fault = fault
        super().__init__(f"{fault}: {advice}" if advice else fault)


class PayloadTooLarge(PayloadError):
    """The answer was given up while it was still arriving."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"the answer is larger than {limit_bytes / 2**20:.0f} MB, more than any packet",
            "nothing was kept; check METEOFRANCE_URL",
        )


class PayloadTruncated(PayloadError):
    """The end of the payload is missing."""

    file_advice = "get the whole file again"

    def __init__(self, where: str) -> None:
        super().__init__(f"the payload is cut short ({printable(where)})", "fetch it again")


class AllRowsRejected(PayloadError):
    """The payload was read, and not one of its rows could be kept."""

    file_advice = "the rows stand in meta.rejected_rows with their reasons"

    def __init__(self, rows: int, reason: str) -> None:
        super().__init__(
            f"all {rows:,} rows of the payload were rejected, most often because {printable(reason)}",
            "raw is unchanged and the payload is kept; see meta.rejected_rows",
        )


class NotWhatWasAsked(PayloadError):
    """Most rows are of another scope than the request's."""

    def __init__(self, rows: int, foreign: int, example: str) -> None:
        super().__init__(
            f"{foreign:,} of its {rows:,} rows are not what was asked for ({printable(example, 80)})",
            "raw is unchanged and the payload is kept; the next run asks again",
        )


class ValuesImplausible(PayloadError):
    """Nearly all values of a quantity cannot be: another unit or another way to write numbers."""

    file_advice = "give values as Météo-France's packets do: kelvin, pascals, a point before decimals"

    def __init__(self, remarks: Sequence[str]) -> None:
        super().__init__(
            printable("; ".join(remarks)),
            "raw is unchanged and the payload is kept; "
            "look at the file, and at the columns that Météo-France describes for it",
        )


class CorrectionHeld(PayloadError):
    """The payload changes most of the values known of some column, or drops much of a list."""

    def __init__(self, what: str, wait_minutes: float) -> None:
        self.file_advice = f"it is kept; load it again {wait_minutes:.0f} minutes later, and it is believed"
        super().__init__(
            f"it would {printable(what)}: too much to believe at once",
            f"raw is unchanged and the payload is kept; the same again {wait_minutes:.0f} minutes later is believed",
        )


class PayloadNotRecognized(PayloadError):
    """The payload is neither CSV nor JSON as Météo-France writes them."""

    def __init__(self, why: str, start: str) -> None:
        super().__init__(
            f"the payload is not a packet ({printable(why)}), it starts with “{printable(start[:200], 60)}”",
            "check METEOFRANCE_URL and look at the landed file",
        )


class NotAPacket(PayloadError):
    """A file was recognised, and it is of a kind that is not loaded."""

    def __init__(self, name: str, advice: str) -> None:
        self.file_advice = advice
        super().__init__(f"it is {printable(name)}", advice)


class HeaderChanged(PayloadError):
    """A column the warehouse cannot do without is gone, most likely renamed to one of `extra`."""

    file_advice = (
        "give the columns Météo-France's own names; if Météo-France sent it like this, "
        "update ingestion/meteofrance/schema.py"
    )

    def __init__(self, missing: Sequence[str], extra: Sequence[str]) -> None:
        self.missing, self.extra = tuple(missing), tuple(extra)
        new = f"new columns: {printable(', '.join(extra))}" if extra else "no new columns"
        super().__init__(
            f"its columns are not those of a packet: missing {', '.join(missing) or 'none'}; {new}",
            "Météo-France changed them. Nothing was loaded and the payload is kept: "
            "update ingestion/meteofrance/schema.py, then load it again",
        )


class FileRefused(IngestionError):
    """A file given by hand was not loaded; nothing of it is kept, and the other files are loaded all the same."""

    def __init__(self, file: Path, fault: str, advice: str) -> None:
        super().__init__(f"{printable(str(file))}: {fault}; nothing of it was loaded: {advice}")

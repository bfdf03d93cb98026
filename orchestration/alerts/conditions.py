"""Everything the operator is told: one list. Each condition says what is the matter and what to do."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from ingestion.departments import label_of
from ingestion.errors import PORTAL, printable
from orchestration.alerts.facts import Facts
from orchestration.progress import Record

FAILURES_UNTIL_TOLD = 2  # one failed run is made up for by the next
_FINDINGS_LEAST, _FINDINGS_TIMES = 20, 3
_ROOM_AGAIN = 1.2

_TOKEN = ("TokenRefused", "TokenMissing", "ApplicationRefused", "NotSubscribed")
_COLUMNS = ("HeaderChanged", "PayloadNotRecognized", "ValuesImplausible")
_LOST = ("AllRowsRejected", "NotWhatWasAsked", "CorrectionHeld")


@dataclass(frozen=True)
class Alert:
    """One thing that needs attention."""

    condition: str
    text: str
    next_step: str


@dataclass(frozen=True)
class Verdict:
    """What is on now; what is `unknown` stays as it was."""

    alerts: Sequence[Alert]
    unknown: frozenset[str]


Found = Iterable[Alert] | None  # None: not known now


def find_alerts(facts: Facts, already_on: Collection[str] = ()) -> Verdict:
    """Judge all conditions. `already_on` holds those that were on, as some take more to end than to begin."""
    found = {name: find(facts, name in already_on) for name, find in CONDITIONS.items()}
    alerts = [alert for group in found.values() if group is not None for alert in group]
    return Verdict(alerts, frozenset(name for name, group in found.items() if group is None))


def kind_of(condition: str) -> str:
    """Give the condition without its département: `department_silent` of `department_silent:9`."""
    return condition.partition(":")[0]


def _stale(facts: Facts, _: bool) -> Found:
    if facts.snapshot is None or facts.snapshot.newest is None:
        return None
    if facts.runs is None or (facts.runs and not facts.runs[0].is_good):  # failing runs are told as such
        return None
    newest, limit = facts.snapshot.newest, timedelta(hours=facts.hours)
    # A run looked and found nothing newer, or none came for as long. A service that just started says nothing yet.
    has_looked = facts.checked_at is not None and facts.checked_at - newest >= limit
    if not has_looked and min(facts.now - newest, facts.now - facts.started_at) < limit:
        return []
    return [
        Alert(
            "stale",
            f"no new observation since {newest:%Y-%m-%d %H:%M} UTC, {_hours(facts.now - newest)}, although runs work",
            "look at GET /schedule (is it paused?) and at Météo-France's own service; what was published stays served",
        )
    ]


def _runs_failing(facts: Facts, _: bool) -> Found:
    if facts.runs is None:
        return None
    last = facts.runs[:FAILURES_UNTIL_TOLD]
    if len(last) < FAILURES_UNTIL_TOLD or any(run.is_good for run in last):
        return []
    return [
        Alert(
            "runs_failing",
            f"the last {len(last)} runs failed, the newest with: {printable(last[0].message)}",
            f"read GET /runs/{last[0].id}; what was published stays served",
        )
    ]


def _token_refused(facts: Facts, _: bool) -> Found:
    if facts.packets is None:
        return None
    return [
        Alert(
            "token_refused",
            _what(packet),
            f"make a new one on {PORTAL}, set METEOFRANCE_TOKEN and start again, or set METEOFRANCE_APPLICATION_ID",
        )
        for packet in _failed(facts.packets, _TOKEN)[:1]
    ]


def _token_ending(facts: Facts, _: bool) -> Found:
    if facts.token_notice is None:
        return []
    what, _colon, advice = facts.token_notice.partition(": ")
    return [Alert("token_ending", what, advice)]


def _columns_changed(facts: Facts, _: bool) -> Found:
    if facts.packets is None:
        return None
    refused = _failed(facts.packets, _COLUMNS)
    extra = sorted({column for packet in facts.packets for column in packet.get("extra_columns", ())})
    if not refused and not extra:
        # A packet that came again as it was says nothing of its columns.
        has_news = any(packet.get("new", 0) + packet.get("changed", 0) for packet in facts.packets)
        return [] if has_news else None
    if refused:
        text = f"Météo-France changed what it sends, {refused[0]['name']}: {_what(refused[0])}"
    else:
        text = f"Météo-France sends columns that are not known: {printable(', '.join(extra))}"
    advice = "nothing is lost: payloads are kept, unknown columns too; update Girouette, or ingestion/…/schema.py"
    return [Alert("columns_changed", text, advice)]


def _findings(facts: Facts, _: bool) -> Found:
    if facts.snapshot is None or facts.snapshot.findings_usual is None:
        return None
    today, usual = facts.snapshot.findings_today, facts.snapshot.findings_usual
    if today < _FINDINGS_LEAST or today <= _FINDINGS_TIMES * usual:
        return []
    return [
        Alert(
            "findings",
            f"{today:,} impossible or suspicious readings in 24 hours, {usual:,.0f} a day in the week before",
            "see GET /quality by rule and station; impossible readings are null in the marts and kept in raw",
        )
    ]


def _rows_lost(facts: Facts, _: bool) -> Found:
    if facts.packets is None:
        return None
    lost = [f"{packet['name']}: {_what(packet)}" for packet in _failed(facts.packets, _LOST)]
    for packet in facts.packets:
        if packet.get("rejected"):
            lost.append(f"{packet['name']}: {packet['rejected']:,} rows rejected")
        if packet.get("left"):
            lost.append(f"{packet['name']}: {packet['left']:,} rows are no longer listed")
    if not lost:
        return []
    more = f", and {len(lost) - 3} more" if len(lost) > 3 else ""
    return [
        Alert(
            "rows_lost",
            f"packets lost rows: {'; '.join(lost[:3])}{more}",
            "read why in meta.rejected_rows and meta.loads; the payloads are kept under landing/",
        )
    ]


def _disk(facts: Facts, is_on: bool) -> Found:
    if facts.free_bytes is None:
        return None
    if facts.free_bytes >= facts.needed_bytes * (_ROOM_AGAIN if is_on else 1):
        return []
    return [
        Alert(
            "disk",
            f"the data folder's disk is nearly full: {_gigabytes(facts.free_bytes)} free, and publications may soon "
            f"need {_gigabytes(facts.needed_bytes)}",
            "free some space, or lower SNAPSHOTS_KEEP; until then what was published stays served",
        )
    ]


def _departments_silent(facts: Facts, _: bool) -> Found:
    if facts.snapshot is None or facts.snapshot.newest is None:
        return None
    failed = {packet["name"] for packet in facts.packets or () if packet.get("error")}
    found = []
    for department in facts.departments:
        newest = facts.snapshot.newest_of.get(department.code)
        # Against the others, as all together are stale. One that never sent anything is silent when it fails.
        if newest is None:
            since = "none yet" if label_of([department]) in failed else None
        else:
            behind = facts.snapshot.newest - newest
            since = f"none since {newest:%Y-%m-%d %H:%M} UTC" if behind >= timedelta(hours=facts.hours) else None
        if since is not None:
            found.append(
                Alert(
                    f"department_silent:{department.code}",
                    f"{label_of([department])} sends no observation ({since}), while others do",
                    "look at the run's packets (GET /runs/latest); if upstream has none either, wait",
                )
            )
    return found


def _service(facts: Facts, _: bool) -> Found:
    if not facts.unwell:
        return []
    parts = "; ".join(f"{part}: {printable(why)}" for part, why in facts.unwell.items())
    return [Alert("service", f"not well: {parts}", "read GET /health/ready and the service's log")]


def _failed(packets: Sequence[Record], kinds: Collection[str]) -> list[Record]:
    return [packet for packet in packets if packet.get("error_kind") in kinds]


def _what(packet: Record) -> str:
    """Give a packet's error without its advice, which the alert gives itself."""
    text: str = packet["error"]
    return printable(text.rpartition(": ")[0] or text, 160)


def _hours(time: timedelta) -> str:
    return f"{time.total_seconds() / 3600:,.0f} h ago"


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.1f} GB"


CONDITIONS: Mapping[str, Callable[[Facts, bool], Found]] = {
    "stale": _stale,
    "runs_failing": _runs_failing,
    "token_refused": _token_refused,
    "token_ending": _token_ending,
    "columns_changed": _columns_changed,
    "findings": _findings,
    "rows_lost": _rows_lost,
    "disk": _disk,
    "department_silent": _departments_silent,
    "service": _service,
}

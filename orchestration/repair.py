"""Ask for hours that were missed: as far back as real time answers, then, for the last day, in finer packets."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from ingestion.departments import Department
from ingestion.errors import IngestionError, RequestRefused, WrongPath
from ingestion.gaps import REAL_TIME, AskedHour, find_gaps, note_answers
from ingestion.load_log import LoadResult
from ingestion.paths import DataPaths
from ingestion.raw_store import open_build_file
from ingestion.settings import IngestionSettings
from ingestion.source import PacketRequest, Repair
from ingestion.station_gaps import answers_of, find_station_gaps, plan_fine_requests

# So many hours in a row without an answer: what is older is not to be had either.
_ASKED_TOGETHER = 4

_BY = {
    REAL_TIME: "repaired by real time",
    "six_minutes": "rebuilt from six-minute packets",
    "order": "that came by an order; the next run builds them",
}

IngestAll = Callable[[Sequence[PacketRequest]], Iterable[tuple[PacketRequest, LoadResult | IngestionError]]]


def repair_gaps(
    ingest_all: IngestAll,
    repair: Repair,
    ingestion: IngestionSettings,
    departments: Sequence[Department],
    now: datetime,
    say: Callable[[str], object],
) -> tuple[list[AskedHour], dict[str, LoadResult]]:
    """Ask for missing hours, the newest first, until real time has no more; return the answers and what was loaded.

    Requests keep to the source's pace. An hour that failed is asked for again by the next run.
    """
    paths = DataPaths(ingestion.data_dir)
    with open_build_file(paths, ingestion.source) as connection:
        hours = find_gaps(connection, repair, departments, now)
    if not hours:
        return [], {}
    say(f"{len(hours)} hours were missed, {_span(hours)}: asking for them again")
    asked: list[AskedHour] = []
    loads: dict[str, LoadResult] = {}
    while len(asked) < len(hours):
        some = hours[len(asked) : len(asked) + _ASKED_TOGETHER]
        requests = [repair.request(hour, departments) for hour in some]
        answers = []
        for hour, (request, outcome) in zip(some, ingest_all(requests), strict=True):
            answers.append(_answer_of(hour, outcome))
            if isinstance(outcome, LoadResult):
                loads[request.label] = outcome
        asked += answers
        if not any(answer.answer == "repaired" for answer in answers):
            if all(answer.answer == "gone" for answer in answers):
                asked += [AskedHour(hour, "gone") for hour in hours[len(asked) :]]
            break
    with open_build_file(paths, ingestion.source) as connection:
        note_answers(connection, departments, asked)
    return asked, loads


def rebuild_station_hours(
    ingest_all: IngestAll,
    repair: Repair,
    ingestion: IngestionSettings,
    departments: Sequence[Department],
    now: datetime,
    say: Callable[[str], object],
) -> tuple[list[AskedHour], dict[str, LoadResult]]:
    """Rebuild hours of the last day that real time did not give, from packets of finer time.

    Few requests a run, those that answer for the most hours first.
    """
    finer = repair.finer
    if finer is None:
        return [], {}
    paths = DataPaths(ingestion.data_dir)
    with open_build_file(paths, ingestion.source) as connection:
        missing = find_station_gaps(connection, repair, finer, departments, now)
    chosen = plan_fine_requests(missing, finer, departments)
    if not chosen:
        return [], {}
    say(f"{len(missing)} hours of stations are missing: asking for finer packets, {len(chosen)} of them")
    loads: dict[str, LoadResult] = {}
    asked: list[AskedHour] = []
    outcomes = [outcome for _, outcome in ingest_all([request.packet for request in chosen])]
    with open_build_file(paths, ingestion.source) as connection:
        for request, outcome in zip(chosen, outcomes, strict=True):
            if isinstance(outcome, LoadResult):
                loads[request.packet.label] = outcome
            asked += answers_of(connection, repair, finer, request, outcome)
        note_answers(connection, departments, asked)
    return asked, loads


def tell_repair(asked: Sequence[AskedHour]) -> str:
    """Say in the run's last line what was repaired by what, and what is left."""
    told: dict[str, list[datetime]] = {}
    for each in asked:
        told.setdefault(_words(each), []).append(each.hour)
    return "".join(f"; {len(hours)} {words} ({_span(hours)})" for words, hours in sorted(told.items()))


def _words(asked: AskedHour) -> str:
    what = "missed hours" if asked.station_id is None else "hours of single stations"
    if asked.answer == "repaired":
        return f"{what} {_BY[asked.source or REAL_TIME]}"
    if asked.answer == "failed":
        return f"{what} that the next run asks for again"
    return f"{what} that real time has no longer"


def _answer_of(hour: datetime, outcome: LoadResult | IngestionError) -> AskedHour:
    if isinstance(outcome, LoadResult):
        if not outcome.rows_seen:
            return AskedHour(hour, "gone", outcome.load_id)
        return AskedHour(hour, "repaired", outcome.load_id, outcome.rows_seen, source=REAL_TIME)
    is_final = isinstance(outcome, WrongPath | RequestRefused)
    return AskedHour(hour, "gone" if is_final else "failed", error=str(outcome))


def _span(hours: Sequence[datetime]) -> str:
    return f"{min(hours):%Y-%m-%d %H} to {max(hours):%Y-%m-%d %H} UTC"

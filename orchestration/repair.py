"""Ask for the hours that were missed while the service was off, as far back as real time answers."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from ingestion.departments import Department
from ingestion.errors import IngestionError, RequestRefused, WrongPath
from ingestion.gaps import Answer, AskedHour, find_gaps, note_answers
from ingestion.load_log import LoadResult
from ingestion.paths import DataPaths
from ingestion.raw_store import open_build_file
from ingestion.settings import IngestionSettings
from ingestion.source import PacketRequest, Repair

# So many hours in a row without an answer: what is older is not to be had either.
_ASKED_TOGETHER = 4

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


def tell_repair(asked: Sequence[AskedHour]) -> str:
    """Say in the run's last line what was repaired by what, and what is left."""
    by_answer: dict[Answer, list[datetime]] = {"repaired": [], "gone": [], "failed": []}
    for hour in asked:
        by_answer[hour.answer].append(hour.hour)
    words: dict[Answer, str] = {
        "repaired": "missed hours repaired by real time",
        "gone": "missed hours that real time has no longer",
        "failed": "missed hours that the next run asks for again",
    }
    return "".join(f"; {len(hours)} {words[answer]} ({_span(hours)})" for answer, hours in by_answer.items() if hours)


def _answer_of(hour: datetime, outcome: LoadResult | IngestionError) -> AskedHour:
    if isinstance(outcome, LoadResult):
        answer: Answer = "repaired" if outcome.rows_seen else "gone"
        return AskedHour(hour, answer, outcome.load_id, outcome.rows_seen)
    is_final = isinstance(outcome, WrongPath | RequestRefused)
    return AskedHour(hour, "gone" if is_final else "failed", error=str(outcome))


def _span(hours: Sequence[datetime]) -> str:
    return f"{min(hours):%Y-%m-%d %H} to {max(hours):%Y-%m-%d %H} UTC"

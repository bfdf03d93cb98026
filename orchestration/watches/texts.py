"""What a watch's messages say."""

from collections.abc import Mapping
from datetime import UTC, datetime

from ingestion.sources import SOURCES
from orchestration.watches.condition import SILENT
from orchestration.watches.hours import Place
from orchestration.watches.judge import Change, Point
from orchestration.watches.watches import Watch


def write_message(watch: Watch, change: Change, places: Mapping[str, Place], source: str) -> tuple[str, str]:
    """Give title and text of a change."""
    about = f"{watch.name}: {watch.condition}" if watch.name != str(watch.condition) else watch.name
    began, ended = change.interval.began, change.interval.ended
    ending = moment(ended) if ended is not None else ""
    where = _named(began.station, places)
    if change.kind == "began":
        title = f"{about} at {where}"
        lines = [f"Since {moment(began.hour)}: {_value(watch, began)} at {where}."]
    elif change.kind == "corrected" and watch.condition.column != SILENT:
        title = f"Over: {about}"
        lines = [f"Corrected values say that it did not happen: told was {moment(began.hour)} at {where}."]
    else:
        title = f"{'Over' if change.kind != 'passed' else 'It was'}: {about}"
        lines = [f"From {moment(began.hour)} at {where} until {ending}."]
    worst = change.interval.worst
    if change.kind in ("over", "passed") and watch.condition.column != SILENT:
        kind = "lowest" if watch.condition.is_below else "highest"
        lines.append(f"The {kind}: {_value(watch, worst)} at {_named(worst.station, places)}, {moment(worst.hour)}.")
    lines.append(SOURCES[source].attribution)
    return title, "\n".join(lines)


def moment(hour: int) -> str:
    return f"{datetime.fromtimestamp(hour * 3600, UTC):%Y-%m-%d %H:%M} UTC"


def _value(watch: Watch, point: Point) -> str:
    if watch.condition.column == SILENT:
        return f"no observation for {point.value:g} h"
    return f"{watch.condition.column} {point.value:g}"


def _named(station: str, places: Mapping[str, Place]) -> str:
    place = places.get(station)
    return f"{place.name} ({station})" if place is not None and place.name != station else station

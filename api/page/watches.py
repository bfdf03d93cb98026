"""The view Watches: what each waits for, what is on, what was told when; a form and buttons that call the API."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from api.page.answer import Context, View, answer
from api.page.reader import Reader
from api.schemas.watches import WatchOut
from api.service import ServiceDep
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from ingestion.departments import all_departments
from orchestration.watches.condition import Condition, read_condition
from orchestration.watches.watches import list_watches

router = APIRouter(include_in_schema=False)

# 5,000 watches are kept at most. A page of them stays small.
_SHOWN = 30
_STATIONS = 6
_MESSAGES = 5


@dataclass(frozen=True)
class ShownWatch:
    """One watch, and the first of its stations and messages. It holds no address, only its scheme."""

    watch: WatchOut
    condition: Condition

    @property
    def stations(self) -> list[str]:
        return (self.watch.stations or [])[:_STATIONS]

    @property
    def more_stations(self) -> int:
        return len(self.watch.stations or []) - len(self.stations)

    @property
    def messages(self) -> Sequence[object]:
        return self.watch.messages[:_MESSAGES]

    @property
    def has_own_name(self) -> bool:
        return self.watch.name != self.watch.condition


@router.api_route("/page/watches", methods=["GET", "HEAD"])
async def show_watches(request: Request, service: ServiceDep) -> Response:
    """Show the watches, those that are on first, then the newest; `?page=2` shows the next ones."""
    found = [WatchOut.of(*each) for each in await run_in_threadpool(list_watches, service.paths)]
    found.sort(key=lambda watch: (watch.event is not None, watch.made_at), reverse=True)
    pages = max(1, -(-len(found) // _SHOWN))
    number = min(_read_page(request.query_params.get("page", "")), pages)
    shown = [
        ShownWatch(watch, read_condition(watch.condition)) for watch in found[(number - 1) * _SHOWN : number * _SHOWN]
    ]

    def gather(snapshot: OpenSnapshot, executor: Executor, _: Reader) -> Context:
        return {"station_names": _names(snapshot, executor, shown)}

    live: Context = {
        "shown": shown,
        "count": len(found),
        "pages": pages,
        "number": number,
        "departments": all_departments(),
        "department_names": {department.code: department.name for department in all_departments()},
    }
    return await answer(request, View("watches.html", gather, live, needs_snapshot=False))


def _names(snapshot: OpenSnapshot, executor: Executor, shown: Sequence[ShownWatch]) -> dict[str, str]:
    ids = {station for each in shown for station in each.stations}
    ids |= {each.watch.event.station for each in shown if each.watch.event}
    query = "select station_id, station_name from marts.stations where list_contains(?, station_id)"
    return {row["station_id"]: row["station_name"] for row in executor.fetch_dicts(snapshot, query, [sorted(ids)])}


def _read_page(text: str) -> int:
    return int(text) if re.fullmatch(r"[1-9][0-9]{0,3}", text) else 1

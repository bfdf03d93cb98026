"""`/watches`: be told when a condition holds at a station, and when it is over."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from starlette.concurrency import run_in_threadpool

from api.address import at
from api.auth import require_key
from api.errors import problem_responses
from api.schemas.watches import WATCH_ID, WatchIn, WatchList, WatchOut, WatchTest
from api.service import ServiceDep
from api.settings import get_settings
from api.warehouse.answer.dependencies import ReadsDep
from api.warehouse.answer.reads import Reads
from api.warehouse.problems import BadValue
from api.warehouse.question.stations import resolve_departments
from api.warehouse.question.watched import station_standing_for, stations_named
from orchestration.errors import NotOnReader
from orchestration.notices.address import check_address
from orchestration.watches.condition import read_condition
from orchestration.watches.watches import Wish, add_watch, delete_watch, list_watches, test_watch

router = APIRouter(prefix="/watches", tags=["watches"])

WatchId = Annotated[str, Path(description="A watch's id.", examples=[WATCH_ID], min_length=1, max_length=40)]


@router.post(
    "",
    status_code=201,
    dependencies=[Depends(require_key)],
    responses=problem_responses(400, 401, 403, 404, 409, 422, 429, 503),
    summary="Add a watch",
)
async def add(wanted: WatchIn, request: Request, service: ServiceDep, reads: ReadsDep, response: Response) -> WatchOut:
    """One message when the condition begins to hold at the stations, and one when it is over.

    Judged after each run against the new snapshot. A watch of several stations is one event: it begins with the first
    of them and is over with the last.
    """
    if service.settings.role == "reader":
        raise NotOnReader
    wish = await reads.in_thread(request, lambda: _check(wanted, reads))
    watch = await run_in_threadpool(add_watch, service.paths, wish)
    response.headers["Location"] = at("/watches")
    return WatchOut.of(watch)


@router.get("", responses=problem_responses(429, 503), summary="List watches")
async def read_all(service: ServiceDep) -> WatchList:
    """Every watch with what is going on and what was sent when. Addresses are not shown."""
    found = await run_in_threadpool(list_watches, service.paths)
    return WatchList(watches=[WatchOut.of(watch, event, messages) for watch, event, messages in found])


@router.delete(
    "/{watch_id}",
    status_code=204,
    dependencies=[Depends(require_key)],
    responses=problem_responses(401, 403, 404, 422, 429, 503),
    summary="Delete a watch",
)
async def delete(watch_id: WatchId, service: ServiceDep) -> None:
    """Delete a watch, its events, and its messages that were not sent yet."""
    await run_in_threadpool(delete_watch, service.paths, watch_id)


@router.post(
    "/{watch_id}/test",
    dependencies=[Depends(require_key)],
    responses=problem_responses(401, 403, 404, 422, 429, 503),
    summary="Send a test message",
)
async def send_test(watch_id: WatchId, service: ServiceDep) -> WatchTest:
    """Send one message to the watch's address now, quiet hours or not."""
    if await run_in_threadpool(test_watch, service.paths, watch_id):
        return WatchTest(delivered=True, message="the address took the message")
    why = "the address did not take the message: check it, delete the watch and add it with the right address"
    return WatchTest(delivered=False, message=why)


def _check(wanted: WatchIn, reads: Reads) -> Wish:
    settings = get_settings()
    condition, address = read_condition(wanted.condition), wanted.notify.get_secret_value()
    # Without keys, only programs of this machine's user get here, and they can send to any address by themselves.
    check_address(address, settings.watch_targets if settings.api_keys else None)
    department, stations = None, list[str]()
    if wanted.dept is not None:
        codes = resolve_departments([wanted.dept])
        if len(codes) != 1:
            raise BadValue("dept", "a watch is of one département", "add a watch for each")
        [department] = codes
    else:
        with reads.warehouse.lease() as snapshot:
            if wanted.place is not None:
                stations = [station_standing_for(snapshot, reads.executor, wanted.place, condition)]
            else:
                stations = stations_named(snapshot, reads.executor, wanted.stations or [], condition)
    return Wish(
        name=wanted.name,
        condition=condition,
        address=address,
        stations=tuple(stations),
        department=department,
        place=wanted.place,
        hysteresis=wanted.hysteresis,
        quiet=wanted.quiet,
        timezone=wanted.tz,
    )

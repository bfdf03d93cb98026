"""How requests reach the serving core and its runs.

Dependencies are `async`: FastAPI hands every other one to a thread, which costs a read more than its answer.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Annotated

from fastapi import Depends, Request

from api.caller import caller_of
from api.run_feed import RunFeeds
from api.warehouse.answer.shares import Shares
from orchestration.runs.runs import Runs
from orchestration.service.service import Service


def service_of(request: Request) -> Service:
    """Give the serving core of this process."""
    service: Service = request.app.state.service
    return service


async def get_service(request: Request) -> Service:
    """Give the serving core to an endpoint."""
    return service_of(request)


async def get_runs(service: Annotated[Service, Depends(get_service)]) -> Runs:
    """Give the runs as Prefect knows them."""
    return service.runs


async def get_feeds(request: Request, service: Annotated[Service, Depends(get_service)]) -> RunFeeds:
    """Give the feeds of the runs that are followed; made for the first follower."""
    if not hasattr(request.app.state, "feeds"):
        request.app.state.feeds = RunFeeds(service.runs, service.paths, service.read_records)
    feeds: RunFeeds = request.app.state.feeds
    return feeds


# Each question about runs is several to Prefect's server, which also serves the run under way.
_QUESTIONS_AT_ONCE = 4
_WAIT_SECONDS = 10.0


def share_of_questions(request: Request) -> AbstractAsyncContextManager[None]:
    """Hold one of the places that a caller has for questions about runs; entering it raises Busy."""
    state = request.app.state
    if not hasattr(state, "question_shares"):
        state.question_shares = Shares(_QUESTIONS_AT_ONCE, _WAIT_SECONDS)
    shares: Shares = state.question_shares
    return shares.place(caller_of(request))


async def within_share(request: Request) -> AsyncIterator[None]:
    """Let an endpoint that asks Prefect wait for the caller's share."""
    async with share_of_questions(request):
        yield


FeedsDep = Annotated[RunFeeds, Depends(get_feeds)]
ServiceDep = Annotated[Service, Depends(get_service)]
RunsDep = Annotated[Runs, Depends(get_runs)]

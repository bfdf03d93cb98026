"""How requests reach the serving core and its runs.

Dependencies are `async`: FastAPI hands every other one to a thread, which costs a read more than its answer.
"""

from typing import Annotated

from fastapi import Depends, Request

from api.run_feed import RunFeeds
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
        request.app.state.feeds = RunFeeds(service.runs, service.paths)
    feeds: RunFeeds = request.app.state.feeds
    return feeds


FeedsDep = Annotated[RunFeeds, Depends(get_feeds)]
ServiceDep = Annotated[Service, Depends(get_service)]
RunsDep = Annotated[Runs, Depends(get_runs)]

"""How requests reach the serving core and its runs.

Dependencies are `async`: FastAPI hands every other one to a thread, which costs a read more than its answer.
"""

from typing import Annotated

from fastapi import Depends, Request

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


ServiceDep = Annotated[Service, Depends(get_service)]
RunsDep = Annotated[Runs, Depends(get_runs)]

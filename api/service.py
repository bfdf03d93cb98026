"""How requests reach the serving core and its runs; tests replace these."""

from typing import Annotated

from fastapi import Depends, Request

from orchestration.runs import Runs
from orchestration.serving import Service


def get_service(request: Request) -> Service:
    """Give the serving core of this process."""
    service: Service = request.app.state.service
    return service


def get_runs(service: Annotated[Service, Depends(get_service)]) -> Runs:
    """Give the runs as Prefect knows them."""
    return service.runs


ServiceDep = Annotated[Service, Depends(get_service)]
RunsDep = Annotated[Runs, Depends(get_runs)]

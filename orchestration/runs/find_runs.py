"""The one query for the deployment's runs."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import TypeVar
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType, TaskRun
from prefect.client.schemas.sorting import FlowRunSort

_PAGE = 200  # Prefect's own limit
_Run = TypeVar("_Run", FlowRun, TaskRun)


async def find_runs(
    client: PrefectClient,
    deployment_id: UUID,
    *,
    states: Sequence[StateType] = (),
    tags: Sequence[str] = (),
    any_tags: Sequence[str] = (),
    after: datetime | None = None,
    before: datetime | None = None,
    limit: int | None = None,
    offset: int = 0,
    sort: FlowRunSort = FlowRunSort.EXPECTED_START_TIME_DESC,
) -> list[FlowRun]:
    """Return one page of runs. Without `limit` it has Prefect's default size, 200."""
    found: list[FlowRun] = await client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=[deployment_id]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states))) if states else None,
            tags=FlowRunFilterTags(all_=list(tags) or None, any_=list(any_tags) or None) if tags or any_tags else None,
            expected_start_time=FlowRunFilterExpectedStartTime(before_=before, after_=after),
        ),
        limit=limit,
        offset=offset,
        sort=sort,
    )
    return found


async def read_pages(read_page: Callable[[int, int], Awaitable[list[_Run]]]) -> list[_Run]:
    """Return every run of a query. `read_page` takes a limit and an offset, and asks the same query each time."""
    found: dict[UUID, _Run] = {}
    for offset in count(step=_PAGE):
        page = await read_page(_PAGE, offset)
        found |= {run.id: run for run in page}
        if len(page) < _PAGE:
            break
    return list(found.values())


async def find_due(client: PrefectClient, deployment_id: UUID, states: Sequence[StateType]) -> list[FlowRun]:
    """Return every run in these states that is due or past, newest first."""
    now = datetime.now(UTC)
    return await read_pages(
        lambda limit, offset: find_runs(client, deployment_id, states=states, before=now, limit=limit, offset=offset)
    )

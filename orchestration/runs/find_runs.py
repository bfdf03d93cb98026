"""The one query for the deployment's runs."""

from collections.abc import Sequence
from datetime import datetime
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
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort


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

"""Back-fills and refreshes as Prefect knows them: ask for a back-fill, find the one at work."""

from collections.abc import Sequence
from typing import Any

from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Scheduled

from ingestion.departments import Department, label_of
from orchestration.errors import NoDepartments, QueueFull
from orchestration.runs.archive import read_backfill_id, read_refresh_id
from orchestration.runs.parameters import as_parameter, as_tags
from orchestration.runs.runs import MOST_WAITING, UNDER_WAY, WAITING, Runs, Ticket


class Backfills(Runs):
    """The runs of `weather-archive-backfill`."""

    read_id = staticmethod(read_backfill_id)

    async def ask(
        self, departments: Sequence[Department], datasets: Sequence[str], since: int | None, to: int | None
    ) -> Ticket:
        """Queue a back-fill, or find an equal one that waits or runs.

        Raises NoDepartments when there are none, QueueFull when too many wait.
        """
        if not departments:
            raise NoDepartments
        wanted: dict[str, Any] = {
            "dept": as_parameter(departments),
            "datasets": list(datasets),
            "since": since,
            "to": to,
        }
        async with self._one_at_a_time(), self._prefect() as client:
            deployment_id = await self._known_deployment(client)
            to_end = await self.find_all(states=(*WAITING, StateType.RUNNING))
            for run in to_end:
                if {name: run.parameters.get(name) for name in wanted} == wanted:
                    return Ticket(run, is_coalesced=True)
            if len(to_end) >= MOST_WAITING:
                raise QueueFull(len(to_end))
            run = await client.create_flow_run_from_deployment(
                deployment_id,
                name=f"{', '.join(datasets)} of {label_of(departments)}",
                parameters=wanted,
                tags=as_tags(departments),
                state=Scheduled(),
            )
        self._wake()
        return Ticket(run)

    async def newest(self) -> FlowRun | None:
        """Find the run under way, else the one that came last."""
        found = await self.find(states=UNDER_WAY, limit=1) or await self.find(limit=1)
        return found[0] if found else None


class Refreshes(Backfills):
    """The runs of `weather-archive-refresh`."""

    read_id = staticmethod(read_refresh_id)

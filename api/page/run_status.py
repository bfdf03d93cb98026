"""How the runs stand, for every page's header: asked of Prefect, but never waited for long."""

import asyncio
import hashlib
import time
from dataclasses import dataclass, field

from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort

from orchestration.errors import OrchestrationError
from orchestration.runs.runs import ENDED, UNDER_WAY
from orchestration.service.service import Service

_WAIT_SECONDS = 1.0  # a page without the runs' state is better than no page
_KEEP_SECONDS = 3.0  # however many pages are open, Prefect is asked no oftener


@dataclass(frozen=True)
class RunStatus:
    """The run under way and the last one that ended; `problem` when Prefect does not say."""

    under_way: FlowRun | None = None
    last: FlowRun | None = None
    problem: str | None = None
    asked_at: float = field(default=0.0, compare=False)

    @property
    def stamp(self) -> str:
        """Changes whenever the words about it may."""
        runs = [f"{run.id}{run.state_type}" for run in (self.under_way, self.last) if run is not None]
        return "".join([*runs, self.problem or ""])

    @property
    def digest(self) -> str:
        """The stamp in few letters: a page holds the one it shows, and reloads when there is another."""
        return hashlib.blake2b(self.stamp.encode(), digest_size=8).hexdigest()


class RunStatusBoard:
    """Keeps the last answer for a moment."""

    def __init__(self) -> None:
        self._known = RunStatus(asked_at=-_KEEP_SECONDS)
        self._turn = asyncio.Lock()

    async def read(self, service: Service) -> RunStatus:
        """Ask Prefect, unless it was just asked."""
        async with self._turn:
            if time.monotonic() - self._known.asked_at >= _KEEP_SECONDS:
                self._known = await _ask(service)
        return self._known


async def _ask(service: Service) -> RunStatus:
    now = time.monotonic()
    health = service.health
    if health.prefect != "ready":
        return RunStatus(problem=health.reasons.get("prefect") or health.prefect, asked_at=now)
    try:
        async with asyncio.timeout(_WAIT_SECONDS):
            under_way = await service.runs.find(states=UNDER_WAY, limit=1)
            ended = await service.runs.find(states=ENDED, limit=1, sort=FlowRunSort.END_TIME_DESC)
    except (OrchestrationError, TimeoutError) as error:
        return RunStatus(problem=str(error) or "Prefect does not answer", asked_at=time.monotonic())
    return RunStatus(under_way[0] if under_way else None, ended[0] if ended else None, asked_at=time.monotonic())

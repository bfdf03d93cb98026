"""The runs of this service that lost their process, told from those of other services on the same Prefect server."""

import hashlib
import logging
import socket
from collections.abc import Callable
from functools import partial
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun

from ingestion.paths import DataPaths
from orchestration.runs.archive import hand_over_orphans
from orchestration.runs.deployment import WORK_POOL
from orchestration.runs.recovery import end_orphans, is_labelled, is_stuck, silent_workers
from orchestration.service.identity import Identity, forget_former, read_or_make
from orchestration.service.workers import Workers
from orchestration.worker.begun import begun_runs, unmark_begun

log = logging.getLogger("girouette.serving")


class OwnRuns:
    """Knows the service by its identity. `is_alone` says that no other host takes runs from this server."""

    def __init__(self, paths: DataPaths, workers: Workers, *, is_alone: bool) -> None:
        self._paths, self._workers, self._is_alone = paths, workers, is_alone
        self._known: Identity | None = None

    @property
    def identity(self) -> Identity:
        """Read it once. The caller leads, so no other process writes it."""
        if self._known is None:
            folder = str(self._paths.root.resolve())
            legacy = f"girouette-{socket.gethostname()}-{hashlib.sha256(folder.encode()).hexdigest()[:8]}"
            self._known = read_or_make(self._paths, legacy)
            if self._known.is_new:  # marks that were copied with the folder are another service's
                for run_id in begun_runs(self._paths):
                    unmark_begun(self._paths, run_id)
        return self._known

    @property
    def may_wait(self) -> bool:
        """Whether runs may have to be ended later: those of a former name, or of a host that never began them."""
        return not self._is_alone or bool(self.identity.former)

    @property
    def archive_worker(self) -> str:
        """Name of the worker of back-fills."""
        return f"{self.identity.name}-archive"

    @property
    def is_own(self) -> Callable[[FlowRun], bool] | None:
        """Tell the runs that this host began, and those that no host did; None where Prefect's label is enough."""
        if self._is_alone:
            return None
        # The marks are read after Prefect answered: a run that ended meanwhile has none, and is no orphan.
        return lambda run: str(run.id) in begun_runs(self._paths) or is_stuck(run)

    async def end_orphans(self, client: PrefectClient, deployment_id: UUID) -> None:
        """End the lost runs of this service, and of those it was before, once Prefect no longer hears of them."""
        identity, is_own = self.identity, self.is_own
        gone = await silent_workers(client, WORK_POOL, identity.former) if identity.former else []
        former = [(name, partial(is_labelled, worker_name=name)) for name in gone]
        for name, is_ours in [(identity.name, is_own), *former]:
            for run in await end_orphans(client, deployment_id, name, lambda: self._workers.in_hand, is_ours):
                log.warning("run %s (%s) was left behind and is now marked Crashed", run.name, run.id)
                unmark_begun(self._paths, str(run.id))
        if gone:
            self._known = forget_former(self._paths, identity, gone)

    async def hand_over_orphans(self, client: PrefectClient) -> None:
        """Let another run go on with a lost back-fill, here or on another host."""
        in_hand = lambda: self._workers.archive_in_hand  # noqa: E731
        for run in await hand_over_orphans(client, self.archive_worker, in_hand, self.is_own):
            log.warning("%s was left behind; run %s goes on where it stood", run.name, run.id)

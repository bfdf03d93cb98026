"""Where run processes come from: forks of a preloaded forkserver; cold ones when it cannot be had."""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path

from orchestration.early_fork import fork_early, leave_out_tracker
from orchestration.settings import DBT_PROJECT

log = logging.getLogger("girouette.launcher")

_PRELOADED = "orchestration.worker.preload"
# Importing and the rehearsal take 10 s on idle cores; a machine that needs much longer is better served cold.
PRELOAD_SECONDS = 120


class Launcher:
    """Starts one process per run. The methods block: call them in a thread."""

    def __init__(self, log_file: Path) -> None:
        self.log_file = log_file
        self.is_warm = False
        self._settled = threading.Event()
        self._stopped = False
        self._project = (0, 0)
        self._context: ForkServerContext | SpawnContext = multiprocessing.get_context("spawn")
        leave_out_tracker()
        # uvicorn too: the fork of a new interpreter imports the service's main script again.
        multiprocessing.get_context("forkserver").set_forkserver_preload([_PRELOADED, "uvicorn.main"])

    def begin(self) -> None:
        """Let the forkserver begin to preload as a fork of this process, while nothing is opened yet.

        Left out, or not possible, `preload` starts it as a new interpreter.
        """
        fork_early()

    def preload(self) -> None:
        """Start the forkserver and prove it with a fork; on failure runs start cold, slower but well."""
        try:
            self._preload()
        finally:
            self._settled.set()

    def _preload(self) -> None:
        self._project = project_stamp()
        context = multiprocessing.get_context("forkserver")
        try:
            proof = context.Process(target=_answer, name="proof", daemon=True)
            proof.start()
            proof.join(PRELOAD_SECONDS)
            if proof.exitcode != 0:
                raise OSError(f"the first fork ended with {proof.exitcode}")  # noqa: TRY301 - one way out for both
        except (OSError, EOFError) as error:
            if not self._stopped:
                log.warning("preloading failed (%s): runs start cold, some 8 seconds later each", error)
            return
        self._context, self.is_warm = context, True

    def launch(self, flow_run_id: str, environment: Mapping[str, str | None]) -> BaseProcess:
        """Start the process of one flow run; one that comes early waits for the preloading."""
        self._settled.wait(PRELOAD_SECONDS)
        if self.is_warm and self._project != project_stamp():
            log.info("the dbt project changed: preloading anew")
            self._end_forkserver()
            self._preload()
        arguments = (flow_run_id, dict(environment), str(self.log_file))
        try:
            return self._start(self._context, arguments)
        except (OSError, EOFError) as error:  # the forkserver died: no reason to lose a run
            log.warning("the forkserver does not answer (%s): this run starts cold", error)
            self.is_warm = False
            self._context = multiprocessing.get_context("spawn")
            return self._start(self._context, arguments)

    def stop(self) -> None:
        """End the forkserver, one that is still preloading too: nobody waits for it any more."""
        self._stopped = True
        self._end_forkserver()

    def _end_forkserver(self) -> None:
        is_ready, self.is_warm = self.is_warm, False
        if pid := getattr(forkserver._forkserver, "_forkserver_pid", None):
            if not is_ready:  # it does not look yet whether anybody is left to fork for
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            forkserver._forkserver._stop()  # type: ignore[attr-defined]

    @staticmethod
    def _start(context: ForkServerContext | SpawnContext, arguments: tuple[object, ...]) -> BaseProcess:
        process = context.Process(target=_execute, args=arguments, name=f"run-{arguments[0]}", daemon=True)
        process.start()
        return process


def project_stamp() -> tuple[int, int]:
    """Tell one state of the dbt project's files from another: how many, and the newest change."""
    changes = [path.stat().st_mtime_ns for path in DBT_PROJECT.rglob("*.*") if path.suffix in (".sql", ".yml", ".csv")]
    return len(changes), max(changes, default=0)


def _execute(flow_run_id: str, environment: dict[str, str | None], log_file: str) -> None:
    # Imported in the child: the service itself needs no dbt in its memory.
    from orchestration.worker.run_process import execute

    execute(flow_run_id, environment, log_file)


def _answer() -> None:
    """Fail when the forkserver could not import what it was told to."""
    import sys

    sys.exit(0 if _PRELOADED in sys.modules else 3)

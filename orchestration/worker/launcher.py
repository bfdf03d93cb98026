"""Starts run processes: forks of a preloaded forkserver, or cold processes when it fails."""

import logging
import multiprocessing
import threading
from collections.abc import Mapping
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path

log = logging.getLogger("girouette.launcher")

_PRELOADED = "orchestration.worker.preload"
# Importing and the rehearsal take 10 s on idle cores; a machine that needs much longer starts its runs cold.
PRELOAD_SECONDS = 120


class Launcher:
    """Starts one process per run. The methods block: call them in a thread."""

    def __init__(self, log_file: Path) -> None:
        self.log_file = log_file
        self.is_warm = False
        self._settled = threading.Event()
        self._context: ForkServerContext | SpawnContext = multiprocessing.get_context("spawn")
        # Every child imports the service's main script, which imports uvicorn.
        multiprocessing.get_context("forkserver").set_forkserver_preload([_PRELOADED, "uvicorn.main"])

    def preload(self) -> None:
        """Start the forkserver and test it with a fork. If it fails, runs start cold: slower, but they run."""
        context = multiprocessing.get_context("forkserver")
        try:
            proof = context.Process(target=_answer, name="proof", daemon=True)
            proof.start()
            proof.join(PRELOAD_SECONDS)
            if proof.exitcode != 0:
                raise OSError(f"the first fork ended with {proof.exitcode}")  # noqa: TRY301 - one way out for both
        except (OSError, EOFError) as error:
            log.warning("preloading failed (%s): runs start cold, some 8 seconds later each", error)
        else:
            self._context, self.is_warm = context, True
        finally:
            self._settled.set()

    def launch(self, flow_run_id: str, environment: Mapping[str, str], flow: str) -> BaseProcess:
        """Start the process of one run of a flow. Waits for the preloading to finish."""
        self._settled.wait(PRELOAD_SECONDS)
        arguments = (flow_run_id, dict(environment), str(self.log_file), flow)
        try:
            return self._start(self._context, arguments)
        except (OSError, EOFError) as error:  # the forkserver died, the run need not fail
            log.warning("the forkserver does not answer (%s): this run starts cold", error)
            self.is_warm = False
            self._context = multiprocessing.get_context("spawn")
            return self._start(self._context, arguments)

    @staticmethod
    def _start(context: ForkServerContext | SpawnContext, arguments: tuple[object, ...]) -> BaseProcess:
        process = context.Process(target=_execute, args=arguments, name=f"run-{arguments[0]}", daemon=True)
        process.start()
        return process


def _execute(flow_run_id: str, environment: dict[str, str], log_file: str, flow: str) -> None:
    # Imported in the child, so that the service does not hold dbt in memory.
    from orchestration.worker.run_process import execute

    execute(flow_run_id, environment, log_file, flow)


def _answer() -> None:
    """Fail when the forkserver could not import what it should have preloaded."""
    import sys

    sys.exit(0 if _PRELOADED in sys.modules else 3)

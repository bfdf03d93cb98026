"""What the process of a run does: the flow run, by its id.

Importing Prefect, dbt and DuckDB takes seconds; a process forked from one that has them starts at once.
"""

import gc
import logging
import os
import signal
import ssl
import sys
import threading
from functools import lru_cache
from multiprocessing import parent_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import cast
from uuid import UUID

# These are imported by each run's first task otherwise.
import prefect._vendor.croniter
import prefect.concurrency.services
import prefect.task_engine
import prefect.utilities.visualization  # noqa: F401
from prefect.context import SyncClientContext, refresh_global_settings_context
from prefect.engine import handle_engine_signals
from prefect.flow_engine import load_flow_run, run_flow
from prefect.logging.loggers import flow_run_logger
from prefect.settings import (
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_LOCAL_STORAGE_PATH,
    get_current_settings,
    temporary_settings,
)

from ingestion.settings import get_settings as get_ingestion_settings
from orchestration.flow import weather_hourly_pipeline
from orchestration.runs.prefect_client import sync_settings
from orchestration.settings import ROOT, get_settings
from orchestration.worker.cores import leave_a_core_to_readers

# Each of Prefect's HTTP clients, a dozen in a run, would read all certificates anew, 20 ms each time.
ssl.create_default_context = lru_cache(ssl.create_default_context)  # type: ignore[assignment]

# What Prefect's settings are before the fork: to read them again takes 50 ms.
_PREFECT = get_current_settings().to_environment_variables(exclude_unset=True)

# What a run of seconds, watched by the worker that forked it, has no use for and would wait for.
_LEFT_OUT = {
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,  # its thread ends up to a second after the run
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False,  # the service has looked at it
}


def execute(flow_run_id: str, environment: dict[str, str | None], log_file: str) -> None:
    """Run one flow run in this process, a fresh fork: its state goes to Prefect, its output to the log file."""
    # Ctrl-C in the service's terminal is the service's to handle. No session of its own: to each the kernel gives as
    # much of a core as to all readers together (autogroup), and lets them wait for it four times as long.
    os.setpgrp()
    leave_a_core_to_readers()
    _write_output_to(Path(log_file))
    _end_with_parent()
    os.chdir(ROOT)
    news = {name: value for name, value in environment.items() if value is not None}
    os.environ.update(news)
    prefects = {name: value for name, value in news.items() if name.startswith("PREFECT_") and "__" not in name}
    if not prefects.items() <= _PREFECT.items():
        refresh_global_settings_context()
    gc.set_threshold(100_000)  # a run is over before its garbage matters; looking for it takes 6 % of the time
    for read_settings in (get_ingestion_settings, get_settings):
        read_settings.cache_clear()  # read when the forkserver started, perhaps under another environment
    with temporary_settings(_LEFT_OUT), SyncClientContext(sync_settings()):
        # Without its deployment: for that, Prefect opens a web socket before the first step, to hear of a suspension,
        # which this pipeline does not know. The server has the deployment on record.
        flow_run = load_flow_run(UUID(flow_run_id)).model_copy(update={"deployment_id": None})
        # Where results would go, were any kept; Prefect would ask its server, for the flow and for the tasks.
        weather_hourly_pipeline.result_storage = PREFECT_LOCAL_STORAGE_PATH.value()
        with handle_engine_signals(flow_run.id):
            log = cast("logging.Logger", flow_run_logger(flow_run))
            run_flow(weather_hourly_pipeline, flow_run=flow_run, error_logger=log)


def _write_output_to(log_file: Path) -> None:
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as log:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(log.fileno(), stream.fileno())


def _end_with_parent() -> None:
    """Die when the service dies: a run without a service would hold the writer's lock, reported by nobody."""
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()

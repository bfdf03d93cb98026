"""The process of a run: executes one flow run, given its id.

Importing Prefect, dbt and DuckDB takes seconds. A fork of a process that has imported them starts at once.
"""

import gc
import logging
import os
import signal
import sys
import threading
from multiprocessing import parent_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, cast
from uuid import UUID

# Imported before the fork: a run's first task needs them.
import prefect.concurrency.services
import prefect.task_engine
import prefect.utilities.visualization  # noqa: F401
from prefect import Flow
from prefect.context import SyncClientContext
from prefect.engine import handle_engine_signals
from prefect.flow_engine import load_flow_run, run_flow
from prefect.logging.loggers import flow_run_logger
from prefect.settings import (
    PREFECT_CLIENT_RETRY_EXTRA_CODES,
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    temporary_settings,
)

from ingestion.settings import get_settings as get_ingestion_settings
from orchestration.archive_flow import weather_archive_backfill, weather_archive_refresh
from orchestration.flow import weather_hourly_pipeline
from orchestration.runs.prefect_client import sync_settings
from orchestration.runs.takeover import HEARTBEAT_SECONDS
from orchestration.settings import ROOT, get_settings
from orchestration.worker.cores import leave_a_core_to_readers

_FLOWS: dict[str, Flow[..., Any]] = {
    flow.name: flow for flow in (weather_hourly_pipeline, weather_archive_backfill, weather_archive_refresh)
}
_YIELDS = 10  # of niceness: an hourly run beside a back-fill gets nine tenths of a core that both want


def execute(flow_run_id: str, environment: dict[str, str], log_file: str, flow: str) -> None:
    """Execute one run of a flow in this new process. Prefect gets its state, the log file its output."""
    # Own process group: Ctrl-C in the terminal stops only the service. Stay in the service's session: Linux autogroup
    # scheduling shares CPU per session, so a new one would starve readers.
    os.setpgrp()
    leave_a_core_to_readers()
    if flow != weather_hourly_pipeline.name:
        os.nice(_YIELDS)
    _write_output_to(Path(log_file))
    _end_with_parent()
    os.chdir(ROOT)
    os.environ.update(environment)
    for read_settings in (get_ingestion_settings, get_settings):
        read_settings.cache_clear()
    gc.set_threshold(100_000)  # collecting garbage takes 6 % of a run, which ends before it matters
    with temporary_settings(_settings()), SyncClientContext(sync_settings()):
        flow_run = load_flow_run(UUID(flow_run_id))
        with handle_engine_signals(flow_run.id):
            log = cast("logging.Logger", flow_run_logger(flow_run))
            run_flow(_FLOWS[flow], flow_run=flow_run, error_logger=log)


def _settings() -> dict[Any, Any]:
    """Return settings that suit short runs, or runs beside other hosts, unless the environment sets them."""
    is_alone = get_settings().shelf_url is None
    found: dict[Any, Any] = {
        # Alone, the worker watches, and the thread would end up to 1 s late. Beside others, the host may be lost.
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None if is_alone else HEARTBEAT_SECONDS,
        PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False,  # the service has checked it
    }
    if not is_alone:  # what the server answers while its Postgres is away: the end of a run is told once it is back
        found[PREFECT_CLIENT_RETRY_EXTRA_CODES] = {500}
    return {setting: value for setting, value in found.items() if setting.name not in os.environ}


def _write_output_to(log_file: Path) -> None:
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as log:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(log.fileno(), stream.fileno())


def _end_with_parent() -> None:
    """Die when the service dies: otherwise the run would keep the writer's lock with nothing to report it."""
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()

"""The flow's command line: `python orchestration/flow_prefect.py --mode run|serve --dept 9`."""

import argparse
import sys
from collections.abc import Sequence

from orchestration.settings import export_prefect_settings

if __name__ == "__main__":
    export_prefect_settings()  # without an address Prefect would start a server of its own

from ingestion import settings as ingestion_settings
from ingestion.departments import resolve_all
from ingestion.errors import IngestionError
from orchestration.archive_flow import weather_archive_backfill, weather_archive_refresh
from orchestration.errors import OrchestrationError
from orchestration.flow import weather_hourly_pipeline
from orchestration.run_once import run_once
from orchestration.service.headless import serve

__all__ = ["main", "weather_archive_backfill", "weather_archive_refresh", "weather_hourly_pipeline"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the flow once, or serve its deployment; return the process's exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mode", choices=("run", "serve"), default="run", help="once, or on the schedule")
    parser.add_argument(
        "--dept",
        action="append",
        metavar="CODE_OR_NAME",
        help="département, e.g. 9, 09, 2A, Ariège, or `all`; repeats (default: DEPTS)",
    )
    parser.add_argument("--full", action="store_true", help="with run: build even when nothing is new")
    options = parser.parse_args(arguments)
    try:
        departments = resolve_all(options.dept or ingestion_settings.get_settings().depts)
        if options.mode == "serve":
            return serve(departments)
        return run_once(weather_hourly_pipeline, departments, full=options.full)
    except (IngestionError, OrchestrationError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1


if __name__ == "__main__":
    sys.exit(main())

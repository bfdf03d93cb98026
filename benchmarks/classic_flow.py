"""The classic way, as a tutorial would set it up: `serve` with default settings, a subprocess for each step.

`python -m benchmarks.classic_flow DATA_DIR` serves the deployment `weather-classic/classic`.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from prefect import flow, task

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ["DATA_DIR"])


def shell(*command: str) -> None:
    """Run one step; a failing one fails the task."""
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


@task
def ingest() -> None:
    shell("make", "dwh-ingest", f"DEPT={os.environ.get('CLASSIC_DEPT', '9')}")


@task
def dbt(command: str) -> None:
    folders = ["--project-dir", "weather_dbt", "--profiles-dir", "profiles"]
    shell(".venv/bin/dbt", command, *folders)


@task
def publish() -> None:
    copy = DATA / "warehouse.new.duckdb"
    shutil.copyfile(DATA / "build" / "warehouse.duckdb", copy)
    copy.rename(DATA / "warehouse.duckdb")


@flow(name="weather-classic")
def weather_classic() -> None:
    ingest()
    dbt("deps")
    dbt("build")
    publish()


if __name__ == "__main__":
    weather_classic.serve(name="classic")

"""The models' SQL as dbt sends it, executed directly in DuckDB: what a build costs without dbt.

`python -m benchmarks.compiled_sql`: for each line on standard input (`9`, `all`) it ingests, builds, and executes what
the models sent once more on a copy of the file taken before; answers one JSON line.
"""

import json
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from dbt.cli.main import dbtRunner

from ingestion.departments import resolve_all
from ingestion.ingest import ingest_packet
from ingestion.meteofrance.source import STATION_LIST, plan_requests
from ingestion.paths import WAREHOUSE_FILE, DataPaths
from ingestion.raw_store import connect
from ingestion.settings import get_settings as get_ingestion_settings
from orchestration.build import run_dbt as transform
from orchestration.build.build_log import Build, last_build
from orchestration.pipeline import build_and_record
from orchestration.settings import get_settings

_WRITES = ("create", "insert", "delete", "alter", "drop", "update", "merge")


class Recorder(dbtRunner):
    """dbt, with an ear for the SQL of its models."""

    statements: ClassVar[list[str]] = []

    def __init__(self, manifest: Any = None, callbacks: Any = None) -> None:
        super().__init__(manifest, [*(callbacks or []), self.hear])

    def hear(self, event: Any) -> None:
        if event.info.name != "SQLQuery" or event.data.node_info.resource_type != "model":
            return
        sql = event.data.sql.partition("*/")[2] or event.data.sql
        if sql.strip().lower().startswith(_WRITES):
            self.statements.append(sql)


def replay(file: Path) -> float:
    """Execute the recorded statements on a file and give the seconds."""
    if not Recorder.statements:
        raise RuntimeError("dbt told of no statement")
    with connect(file) as connection:
        started = time.perf_counter()
        for statement in Recorder.statements:
            connection.execute(statement)
        return time.perf_counter() - started


def newest_build(paths: DataPaths) -> Build | None:
    """The build that the file's marts stand on."""
    with connect(paths.build_file) as connection:
        return last_build(connection)


def main() -> None:
    """Measure once for each line."""
    transform.dbtRunner = Recorder  # type: ignore[attr-defined]
    ingestion = get_ingestion_settings()
    # What dbt does not log it does not tell either.
    orchestration = get_settings().model_copy(update={"dbt_log_level_file": "debug"})
    paths = DataPaths(ingestion.data_dir)
    copy = paths.root / "replay" / WAREHOUSE_FILE
    copy.parent.mkdir(parents=True, exist_ok=True)
    for line in sys.stdin:
        for request in (STATION_LIST, *plan_requests(resolve_all([line.strip()]), datetime.now(UTC))):
            ingest_packet(ingestion, request)
        is_first = newest_build(paths) is None
        shutil.copyfile(paths.build_file, copy)
        Recorder.statements.clear()
        build_and_record(orchestration, paths, None, lambda _: None)
        # What a first build sends stands on schemas and seeds that dbt makes apart.
        seconds = 0.0 if is_first else replay(copy)
        print(json.dumps({"seconds": seconds, "statements": len(Recorder.statements)}), flush=True)


if __name__ == "__main__":
    main()
